"""The steps between two logged rows: their sums, and the row of metrics.jsonl they make."""

import time
from typing import Any

from genomask.masking import MaskAccount
from genomask.masking.curricula import Phase
from genomask.training.checkpoint_state import WindowSums


class LogWindow:
    """Sums since the last logged row. Evaluations and checkpoints are not training: their time is left out."""

    def __init__(self, tokens: int, shows_phase: bool, sums: WindowSums = WindowSums()) -> None:  # noqa: B008 - frozen
        self.tokens = tokens
        self.sums = sums
        """Of a resumed run: those of its checkpoint, so that the next row covers all its steps."""
        self._shows_phase = shows_phase
        self.restart_clock()

    def add(self, step: MaskAccount, loss: float, phase: Phase) -> None:
        """Count one step of all processes, which began when the clock was last restarted."""
        masks, loss_before, seconds = self.sums
        self.tokens += step.tokens
        self.sums = WindowSums(
            masks + step, loss_before + loss * step.tokens_masked, seconds + time.perf_counter() - self._since
        )
        self._phase = phase

    def restart_clock(self) -> None:
        """The next step begins now."""
        self._since = time.perf_counter()

    def close(self, step: int, rate: float) -> dict[str, Any]:
        """The row of metrics.jsonl, and start anew."""
        masks, loss, seconds = self.sums
        row = {
            "step": step,
            "tokens": self.tokens,
            "loss_nats_per_masked_token": loss / max(1, masks.tokens_masked),
            "tokens_masked_fraction": masks.tokens_masked_fraction,
            "bases_hidden_fraction": masks.bases_hidden_fraction,
            "bases_hidden_kept_fraction": masks.bases_hidden_kept_fraction,
            "tokens_per_second": masks.tokens / seconds,
            "learning_rate": rate,
        }
        if self._shows_phase:
            row |= {"masked_by_second_fraction": self._phase.fraction, "mask_rate_asked": self._phase.mask_rate}
        self.sums = WindowSums()
        return row
