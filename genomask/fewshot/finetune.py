"""Fine-tuning: the whole encoder and a new classification head, trained on the drawn examples.

In: a model folder, a pool and a test. Out: probabilities for any drawn training set; each draw starts from the saved
weights (or new untrained ones) with a head from its own seed.

`published`, for encoders of width 512 and more: up to 100 shots rate 1e-4, 20 epochs, batch 5; above, 5e-5, 5 epochs,
batch 15; warm-up 10 %, then linear to 0; decay 0.01; dropout 0.1; no development set, unless the suite has one.
Narrower encoders keep the epochs, with one rate of 1e-3 and batch 16. The head reads the first token, as in BERT, and
its last layer is random.

`linear-first`, the default, changes three things: the head starts at the linear solution (linear_first.py), our head
reads the mean of all tokens (no pretraining here trains the first one), and narrow encoders use another rate. All are
constants, chosen on other tasks' pools and never on a test set: docs/fewshot.md.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from genomask.data.tasks import LabelledTask
from genomask.encoders import MosaicBertConfig
from genomask.encoders.bridges import is_mosaicbert, read_config, read_weights
from genomask.fewshot.draws import Scorer, draw_key
from genomask.fewshot.fitting import Schedule, Validation, fit
from genomask.fewshot.linear_first import last_layer, start_linear
from genomask.inference.forward import logits
from genomask.inference.models import Loaded, load
from genomask.inference.tokens import Tokenised, check_lengths, tokenise
from genomask.settings.ranges import LARGE, MANY, require, require_one_of

PUBLISHED_WIDTH = 512
NARROW_RATES = {"linear-first": 3e-4, "published": 1e-3}
"""Peak rate of narrower encoders, by schedule."""
NARROW_BATCH = 16
SCHEDULES = tuple(NARROW_RATES)
POOLINGS = {"linear-first": "mean", "published": "cls"}
"""What our classifier reads: the mean of all tokens, or the first one."""
DROPOUT = 0.1
"""As published, whatever the pretraining used."""


@dataclass(frozen=True, kw_only=True)
class FineTuneSettings:
    """How one draw is trained; 'auto' is filled in from schedule, shot and width."""

    schedule: str = "linear-first"
    """linear-first or published: see above."""
    learning_rate: float | str = "auto"
    """Peak rate; auto: by shot as published for hidden_size >= 512, else one constant (see above)."""
    epochs: int | str = "auto"
    """Passes over the drawn examples; auto: 20 up to 100 shots, 5 above."""
    batch_size: int | str = "auto"
    """Sequences per step; auto: 5 up to 100 shots, 15 above, and 16 for hidden_size < 512."""

    warmup: float | str = "auto"
    """Fraction of all steps over which the rate grows to its peak; auto: 0.1."""

    def __post_init__(self) -> None:
        require_one_of("schedule", self.schedule, SCHEDULES)
        fits = self.warmup == "auto" if isinstance(self.warmup, str) else 0 <= self.warmup <= 1
        require(fits, "warmup", "'auto', or from 0 to 1", self.warmup)
        for name, most in (("learning_rate", LARGE), ("epochs", MANY), ("batch_size", MANY)):
            value = getattr(self, name)
            fits = value == "auto" if isinstance(value, str) else 0 < value <= most
            require(fits, name, f"'auto', or above 0 and at most {most:,.0f}", value)


def schedule(settings: FineTuneSettings, shot: int, hidden_size: int) -> Schedule:
    """The settings with every 'auto' filled in for this shot and encoder."""
    few, narrow = shot <= 100, hidden_size < PUBLISHED_WIDTH
    auto = Schedule(1e-4, 20, 5) if few else Schedule(5e-5, 5, 15)
    if narrow:
        auto = auto._replace(learning_rate=NARROW_RATES[settings.schedule], batch_size=NARROW_BATCH)
    asked = {name: getattr(settings, name) for name in Schedule._fields}
    return auto._replace(**{name: value for name, value in asked.items() if value != "auto"})


def new_classifier(
    folder: Path, schedule: str = "linear-first", *, seed: int, untrained: bool = False, **settings: Any
) -> Loaded:
    """The encoder of a folder with a new head; `seed` draws the head, or all weights of an untrained twin.

    If the folder holds a classifier, its last layer, which knows other classes, is left out; a pooler, which it may
    have from MNLI, stays. `settings` go to the config: num_labels=3, or id2label, problem_type ...
    """
    saved = read_config(folder)
    if "hidden_dropout_prob" in saved:
        settings["hidden_dropout_prob"] = DROPOUT
    if is_mosaicbert(saved) or saved.get("model_type") == MosaicBertConfig.model_type:
        settings["classifier_pooling"] = POOLINGS[schedule]
    made = partial(load, folder, "classification", seed=seed, **settings)
    new = made(untrained=untrained)
    if not untrained and _has_last_layer(folder, new.model):
        last_layer(new.model).load_state_dict(last_layer(made(untrained=True).model).state_dict())
    return new


def _has_last_layer(folder: Path, model: PreTrainedModel) -> bool:
    """Whether the last layer comes from the folder, a classifier with as many classes; otherwise it was drawn."""
    last = last_layer(model)
    name = next(name for name, module in model.named_modules() if module is last)
    found = read_weights(folder).get(f"{name}.weight")
    return found is not None and found.shape == last.weight.shape


def finetune_scorer(
    folder: Path,
    pool: LabelledTask,
    test: LabelledTask,
    settings: FineTuneSettings,
    *,
    seed: int,
    untrained: bool,
    valid: LabelledTask | None = None,
) -> Scorer:
    """`finetune`, or `random-init/finetune` where untrained.

    `valid`, its labels numbered like the pool's, decides which epoch is kept; without it, the last one is.
    """
    n_classes = len(pool.classes)
    new = partial(new_classifier, folder, settings.schedule, untrained=untrained, num_labels=n_classes)
    model, tokenizer = new(seed=seed)
    test_tokens = _read(model, tokenizer, test.sequences, test.path)
    chosen_by = None
    if valid:
        tokens = _read(model, tokenizer, valid.sequences, valid.path).tokens
        chosen_by = Validation(tokens, valid.labels)

    def scorer(rows: np.ndarray, shot: int, draw: int) -> np.ndarray:
        own_seed = int(draw_key(pool.name, shot, draw)[0]) ^ seed
        model, _ = new(seed=own_seed)
        drawn = _read(model, tokenizer, [pool.sequences[row] for row in rows], pool.path)
        if settings.schedule == "linear-first":
            start_linear(model, drawn.tokens, pool.labels[rows])
        plan = schedule(settings, shot, model.config.hidden_size)
        fit(model, drawn.tokens, pool.labels[rows], plan, own_seed, chosen_by)
        return logits(model, test_tokens.tokens).softmax(dim=1).numpy()

    return scorer


def _read(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, sequences: list[str], path: Path) -> Tokenised:
    tokenised = tokenise(tokenizer, sequences, str(path))
    check_lengths(model, tokenizer, tokenised, str(path))
    return tokenised
