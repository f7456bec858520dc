"""Fine-tuning: the whole encoder and a new classification head, trained on the drawn examples.

In: a model folder, a pool and a test. Out: probabilities for any drawn training set; each draw starts from the saved
weights (or new untrained ones) with a head of its own seed.

The schedule by shot is the published one for encoders of width 512 and more: up to 100 shots rate 1e-4, 20 epochs,
batch 5; above, 5e-5, 5 epochs, batch 15; warm-up 10 %, then linear to 0; decay 0.01; dropout 0.1; no development set.
Narrower encoders keep the epochs, with one rate of 1e-3 and batch 16: constants, never chosen on a test set.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from genomask.data.packing import pack
from genomask.data.tasks import LabelledTask
from genomask.errors import TrainingError
from genomask.fewshot.draws import Scorer, draw_key
from genomask.inference.forward import forward, logits
from genomask.inference.models import Loaded, load
from genomask.inference.tokens import check_lengths, tokenise
from genomask.settings.ranges import MANY, require
from genomask.training.optimizer import parameter_groups
from genomask.types import TokenSequences

WARMUP_FRACTION = 0.1
WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0
PUBLISHED_WIDTH = 512
NARROW_RATE = 1e-3
NARROW_BATCH = 16
DROPOUT = 0.1
"""As published, whatever the pretraining used."""


@dataclass(frozen=True, kw_only=True)
class FineTuneSettings:
    """How one draw is trained; 'auto' fills in by shot and width."""

    learning_rate: float | str = "auto"
    """Peak rate; auto: by shot as published for hidden_size >= 512, else one constant (see above)."""
    epochs: int | str = "auto"
    """Passes over the drawn examples; auto: 20 up to 100 shots, 5 above."""
    batch_size: int | str = "auto"
    """Sequences a step; auto: 5 up to 100 shots, 15 above, and 16 for hidden_size < 512."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            fits = value == "auto" if isinstance(value, str) else 0 < value <= MANY
            require(fits, name, f"'auto', or above 0 and at most {MANY:,}", value)


class Schedule(NamedTuple):
    """How long and how fast one draw is trained."""

    learning_rate: float
    epochs: int
    batch_size: int


def schedule(settings: FineTuneSettings, shot: int, hidden_size: int) -> Schedule:
    """The settings with every 'auto' filled in for this shot and encoder."""
    few, narrow = shot <= 100, hidden_size < PUBLISHED_WIDTH
    auto = Schedule(1e-4, 20, 5) if few else Schedule(5e-5, 5, 15)
    if narrow:
        auto = auto._replace(learning_rate=NARROW_RATE, batch_size=NARROW_BATCH)
    return auto._replace(**{name: value for name, value in vars(settings).items() if value != "auto"})


def new_classifier(folder: Path, n_classes: int, *, seed: int, untrained: bool) -> Loaded:
    """The encoder of a folder with a new head; `seed` draws the head, or all weights of an untrained twin."""
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    dropout = {"hidden_dropout_prob": DROPOUT} if "hidden_dropout_prob" in saved else {}
    return load(folder, "classification", seed=seed, untrained=untrained, num_labels=n_classes, **dropout)


def finetune_scorer(
    folder: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: FineTuneSettings,
    tokens_per_batch: int,
    *,
    seed: int,
    untrained: bool,
) -> Scorer:
    """`finetune`, or `random-init/finetune` where untrained; the test goes through in batches of so many tokens."""
    n_classes = len(pool.classes)
    model, tokenizer = new_classifier(folder, n_classes, seed=seed, untrained=untrained)
    test_tokens = tokenise(tokenizer, test.sequences, str(test.path))
    check_lengths(model, tokenizer, test_tokens, str(test.path))

    def scorer(rows: np.ndarray, shot: int, draw: int) -> np.ndarray:
        own_seed = int(draw_key(pool.name, shot, draw)[0]) ^ seed
        model, _ = new_classifier(folder, n_classes, seed=own_seed, untrained=untrained)
        drawn = tokenise(tokenizer, [pool.sequences[row] for row in rows], str(pool.path))
        check_lengths(model, tokenizer, drawn, str(pool.path))
        fit(model, drawn.tokens, pool.labels[rows], schedule(settings, shot, model.config.hidden_size), own_seed)
        return logits(model, test_tokens.tokens, tokens_per_batch).softmax(dim=1).numpy()

    return scorer


def fit(model: PreTrainedModel, tokens: TokenSequences, labels: np.ndarray, plan: Schedule, seed: int) -> None:
    """Train the model in place; order and dropout are drawn from `seed` alone."""
    sequences = [ids.numpy() for ids in torch.split(tokens.input_ids, tokens.lengths.tolist())]
    targets = torch.from_numpy(labels)
    n_steps = plan.epochs * math.ceil(len(labels) / plan.batch_size)
    optimizer, scheduler = build_optimizer(model, plan.learning_rate, n_steps)
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(plan.epochs):
            for rows in torch.randperm(len(labels)).split(plan.batch_size):
                batch = pack([sequences[row] for row in rows.tolist()], np.ones(len(rows)))
                loss = F.cross_entropy(forward(model, batch), targets[rows].to(model.device))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
                if not torch.isfinite(norm):
                    raise TrainingError(
                        f"fine-tuning at learning_rate {plan.learning_rate} met a loss that is not finite; lower it."
                    )
                optimizer.step()
                scheduler.step()


def build_optimizer(model: PreTrainedModel, rate: float, n_steps: int) -> tuple[torch.optim.AdamW, LambdaLR]:
    """AdamW without decay of biases and norms; linear warm-up, then linear to 0."""
    optimizer = torch.optim.AdamW(parameter_groups(model, WEIGHT_DECAY), lr=rate)
    warmup = max(1, round(WARMUP_FRACTION * n_steps))

    def factor(step: int) -> float:
        return min((step + 1) / warmup, (n_steps - step) / max(1, n_steps - warmup))

    return optimizer, LambdaLR(optimizer, factor)
