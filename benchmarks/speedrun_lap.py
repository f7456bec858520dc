"""One arm in training, a slice of CPU seconds at a time, with its scores at each mark."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from speedrun_arms import Arm

from genomask.commands.pretrain import build_run
from genomask.data.opening import Inputs
from genomask.data.sources import TextSource
from genomask.training.device import choose_device
from genomask.training.evaluation import evaluate
from genomask.training.optimizer import build_optimizer
from genomask.training.schedule import rate_factor, scale_rates
from genomask.training.step import train_step

MARKS = 9
"""Validations of a run; the last is at the end of its budget."""
RATIO = 1.6
"""Ratio of the seconds of a validation to those of the one before."""


def marks(budget: float) -> list[float]:
    """CPU seconds at which a run is scored."""
    return [budget / RATIO**n for n in reversed(range(MARKS))]


SCORES = {
    "genome": {
        "score": "eval_bits_per_hidden_base",
        "single": "eval_bits_per_hidden_base_single",
        "six": "eval_bits_per_hidden_base_six",
    },
    "text": {"score": "eval_loss_nats_per_masked_token"},
}
"""The scores kept of a validation, by kind of recipe; arms are compared by the first."""


@dataclass
class Lap:
    """An arm's model for one seed, and its progress: seconds of validation do not count, those of batches do."""

    arm: Arm
    seed: int
    files: tuple[str, ...]
    """FASTA files, or a corpus if the recipe is for text."""
    budget: float
    """CPU seconds over which the schedule runs."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    tokens: int = 0
    steps: int = 0
    curve: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recipe = self.arm.settings(self.seed)
        given = Inputs(corpus=self.files) if self.recipe.kind == "text" else Inputs(genome=self.files)
        self.run = build_run(self.recipe, given, Path("nowhere"))
        self.device = choose_device("cpu")
        self.precision = self.recipe.training.precision
        peer = self.arm.peer
        self.model = self.run.model if peer is None else peer(self.recipe, len(self.run.tokenizer))
        self.model.train()
        self.optimizer = build_optimizer(self.model, self.recipe.optimizer)
        self.evaluation = self.run.evaluation
        if self.recipe.kind == "genome":  # the loss under each arm's own masks cannot be compared
            self.evaluation = replace(self.evaluation, token_batches=[])
        self.run.batches.of(0)  # compiles the masking, which must not count as training

    def floor(self) -> float:
        """What frequencies alone score: those of the hidden bases, or of the word pieces of the training text."""
        source = self.run.batches.source
        if not isinstance(source, TextSource):
            return self.evaluation.baselines.order_0_bits
        seen = np.concatenate(source.store.read(source.training_pieces))
        counts = np.bincount(seen, minlength=len(self.run.tokenizer)) + 1
        counts[~source.token_bases.maskable.numpy()] = 0
        labels = torch.cat([batch.labels[batch.masked_index] for batch in self.evaluation.token_batches]).numpy()
        return -float(np.log(counts[labels] / counts.sum()).mean())

    def advance(self, until: float) -> None:
        """Train to `until` CPU seconds, then score the held-out data."""
        while self.cpu_s < until:
            cpu, wall = time.process_time(), time.perf_counter()
            self.step()
            self.cpu_s += time.process_time() - cpu
            self.wall_s += time.perf_counter() - wall
        scores = evaluate(self.model, self.evaluation, self.device, self.precision)
        row = {"cpu_s": self.cpu_s, "wall_s": self.wall_s, "tokens": self.tokens, "steps": self.steps}
        self.curve.append(row | {name: scores[key] for name, key in SCORES[self.recipe.kind].items()})

    def step(self) -> None:
        """One step; the schedule follows the seconds, so that every arm's ends with its budget."""
        batch = self.run.batches.of(self.steps)
        settings, steps = self.recipe.optimizer, self.recipe.training.steps
        scale_rates(self.optimizer, rate_factor(int(steps * self.cpu_s / self.budget), steps, settings))
        torch.manual_seed(self.seed * 2**32 + self.steps)
        clip, where = settings.clip_norm, {"device": self.device, "precision": self.precision}
        train_step(self.model, self.optimizer, batch.microbatches, clip_norm=clip, **where)
        self.steps += 1
        self.tokens += batch.masks.tokens
