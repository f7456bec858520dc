"""Settings of the training room: the recipe's [training] and [evaluation] tables."""

from dataclasses import dataclass
from typing import Annotated, Literal

from genomask.settings.ranges import MANY
from genomask.settings.table import Bounds, Count, Rate, Table


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Table, name="training"):
    """How long to train, how much a step, in which precision, and how often to log and save."""

    steps: Count = 10_000
    sequences_per_step: Count = 2_000
    tokens_per_microbatch: Annotated[int, Bounds(least=0, most=MANY)] = 0
    """Most tokens that pass through the encoder at once; a step is cut into as many microbatches as it needs. 0: what
    a GPU's memory holds, tried before the first step; 16,384 on a CPU."""
    workers: Annotated[int, Bounds(least=0, most=256)] = 0
    """Threads that make batches ahead, the same batches for any number; 0: one for every four cores, at most 4."""
    seed: Annotated[int, Bounds(least=0, below=2**63)] = 0
    """Seed of the weights, the windows, the masks and dropout."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """fp32, bf16 (autocast), or auto: on a CPU with units for bf16 the faster, tried for a second; a run keeps it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """cpu, cuda, or auto: cuda where there is one."""
    compile: Literal["auto", "on", "off"] = "auto"
    """on, off, or auto: the model is compiled on CUDA, where batches are then filled up to one fixed shape."""
    log_every: Count = 20
    """Steps between two rows of metrics.jsonl; if left out, short runs are logged at least 20 times."""
    checkpoint_every: Count = 500
    """Steps between two checkpoints, of which the last two and the best are kept; if left out, short runs are saved
    5 times."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings(Table, name="evaluation"):
    """How often, and under which mask rate, the held-out sequences are scored."""

    every: Count = 1_000
    """Steps between two evaluations; the last step is always evaluated. If left out, short runs have at least 5."""
    mask_rate: Rate = 0.15
    """Fraction masked, counted as masking.match says, when the run's own masking is scored on held-out sequences."""
