"""Settings of the training room: the recipe's [training] and [evaluation] tables."""

from dataclasses import dataclass

from genomask.settings.ranges import require, require_one_of, require_whole


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long, how much a step, how precise, and how often to log and save."""

    steps: int = 10_000
    sequences_per_step: int = 2_000
    tokens_per_microbatch: int = 65_536
    """Upper bound of the tokens that pass through the encoder at once; a step is cut into as many as it needs."""
    seed: int = 0
    """Of the weights, the windows, the masks and dropout."""
    precision: str = "auto"
    """fp32, bf16 (autocast), or auto: bf16 where the hardware computes in it, fp32 elsewhere."""
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""
    compile: str = "auto"
    """on, off, or auto: the model is compiled on CUDA, where batches are then filled up to one fixed shape."""
    log_every: int = 20
    """Steps between two rows of metrics.jsonl; a recipe that does not say logs short runs at least 20 times."""
    checkpoint_every: int = 500
    """Steps between two checkpoints, of which the last two are kept; if not said, short runs are saved 5 times."""

    def __post_init__(self) -> None:
        for name in ("steps", "sequences_per_step", "tokens_per_microbatch", "log_every", "checkpoint_every"):
            require_whole(f"training.{name}", getattr(self, name), 1)
        require(0 <= self.seed < 2**63, "training.seed", "from 0 to 2**63 - 1", self.seed)
        choices = {
            "precision": ("auto", "fp32", "bf16"),
            "device": ("auto", "cpu", "cuda"),
            "compile": ("auto", "on", "off"),
        }
        for name, known in choices.items():
            require_one_of(f"training.{name}", getattr(self, name), known)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How often, and under which mask rate, the held-out sequences are scored."""

    every: int = 1_000
    """Steps between two evaluations; the last step is always evaluated. If not said, short runs have at least 5."""
    mask_rate: float = 0.15
    """Fraction of tokens masked when the run's own masking is scored on held-out sequences."""

    def __post_init__(self) -> None:
        require_whole("evaluation.every", self.every, 1)
        require(0 < self.mask_rate < 1, "evaluation.mask_rate", "between 0 and 1", self.mask_rate)
