"""The few-shot protocol: what is measured, and how."""

from dataclasses import dataclass, field
from typing import Any

from genomask.errors import SettingsError
from genomask.fewshot.finetune import FineTuneSettings
from genomask.fewshot.methods import ASKED, METHODS, PRETRAINED, TWIN, USUAL, Method, measured
from genomask.inference.pooling import VectorSettings
from genomask.settings.ranges import require_whole

MOST_DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class FewShotSettings:
    """What `genomask fewshot` measures and how."""

    shots: tuple[int, ...] = (10, 50, 100)
    """Training examples of each class."""
    whole: bool = False
    """Train on the whole pool instead, once per seed (`draws` of them) where a method has one; shots are not read."""
    draws: int = 20
    """Training sets drawn for each shot; one where the shot takes the whole pool."""
    methods: tuple[str, ...] = USUAL
    """Any of methods.ASKED; random-init stands for the untrained twin of each method asked for."""
    vectors: VectorSettings = field(default_factory=VectorSettings)
    """How the probe makes one vector of a sequence."""
    finetune: FineTuneSettings = field(default_factory=FineTuneSettings)

    def __post_init__(self) -> None:
        if not self.shots or min(self.shots) < 1 or len(set(self.shots)) < len(self.shots):
            raise SettingsError(f"shots must be different whole numbers of at least 1, got {self.shots}.")
        require_whole("shots", max(self.shots), 1)
        require_whole("draws", self.draws, 1, MOST_DRAWS)
        unknown = [method for method in self.methods if method not in ASKED]
        if unknown or not self.methods:
            raise SettingsError(f"methods must be some of {', '.join(ASKED)}; got {', '.join(unknown) or 'none'}.")
        twins = [method.twin_of for method in METHODS.values() if method.twin_of]
        if TWIN in self.methods and not set(twins) & set(self.methods):
            raise SettingsError(f"method {TWIN} is the untrained twin of {' and '.join(twins)}: ask for one of them.")

    @property
    def measured(self) -> list[Method]:
        """The methods that are measured, cheapest first."""
        return measured(self.methods)

    @property
    def pretrained(self) -> tuple[str, ...]:
        """The methods asked for whose score belongs to a pretrained encoder, in the order asked."""
        return tuple(method for method in self.methods if method in PRETRAINED)

    @property
    def needs_model(self) -> bool:
        """Does any of the methods need one?"""
        return any(method.needs_model for method in self.measured)

    def binding(self) -> dict[str, Any]:
        """The settings that change a measurement, by name; others only add rows, or change the speed."""
        return {"pooling": self.vectors.pooling, **vars(self.finetune), "whole": self.whole}
