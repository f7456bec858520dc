"""The steps between two logged rows: their sums, and the row of metrics.jsonl they make."""

import time
from typing import Any

from genomask.masking import MaskAccount
from genomask.masking.curricula import Phase
from genomask.training.checkpoint_state import WindowSums
from genomask.training.finite import StepResult


class LogWindow:
    """Sums since the last logged row. Evaluations and checkpoints are not training: their time is left out."""

    def __init__(
        self,
        tokens: int,
        shows_phase: bool,
        sums: WindowSums = WindowSums(),  # noqa: B008 - frozen
        matmul_peak: float | None = None,
    ) -> None:
        """`matmul_peak`: peak FLOP/s of all devices; None if it is not known."""
        self.tokens = tokens
        self.sums = sums
        """In a resumed run those of its checkpoint, so that the next row covers all its steps."""
        self._shows_phase, self._matmul_peak = shows_phase, matmul_peak
        self.restart_clock()

    def add(self, masks: MaskAccount, step: StepResult, phase: Phase, flops: int = 0) -> None:
        """Count one step of all processes, which began when the clock was last restarted; `flops` of its products."""
        sums = self.sums._replace(seconds=self.sums.seconds + time.perf_counter() - self._since)
        self._phase = phase
        if not step.is_finite:  # nothing was learned in it
            self.sums = sums._replace(skipped=sums.skipped + 1)
            return
        self.tokens += masks.tokens
        self.sums = sums._replace(
            masks=sums.masks + masks,
            loss=sums.loss + step.loss * masks.tokens_masked,
            gradient_norm=sums.gradient_norm + step.gradient_norm,
            flops=sums.flops + flops,
            steps=sums.steps + 1,
        )

    def restart_clock(self) -> None:
        """The next step begins now, with the wait for its data."""
        self._since = time.perf_counter()

    def has_data(self) -> None:
        """The wait for the step's data is over."""
        self.sums = self.sums._replace(waited=self.sums.waited + time.perf_counter() - self._since)

    def close(self, step: int, rate: float, peak_memory: int) -> dict[str, Any]:
        """Return the row of metrics.jsonl and start the next; peak_memory in bytes.

        Without a masked token in a step that counts, it has no loss.
        """
        sums, masks = self.sums, self.sums.masks
        row: dict[str, Any] = {"step": step, "tokens": self.tokens}
        if sums.steps:
            row |= {
                **({"loss_nats_per_masked_token": sums.loss / masks.tokens_masked} if masks.tokens_masked else {}),
                "tokens_masked_fraction": masks.tokens_masked_fraction,
                "bases_hidden_fraction": masks.bases_hidden_fraction,
                "bases_hidden_kept_fraction": masks.bases_hidden_kept_fraction,
                "gradient_norm": sums.gradient_norm / sums.steps,
                "tokens_per_second": masks.tokens / sums.seconds,
                "masked_tokens_per_second": masks.tokens_masked / sums.seconds,
                "matmul_flops_per_second": sums.flops / sums.seconds,
            }
            if self._matmul_peak is not None:
                row["model_flops_utilization"] = sums.flops / sums.seconds / self._matmul_peak
        row |= {
            "skipped_steps": sums.skipped,
            "learning_rate": rate,
            "data_wait_fraction": sums.waited / sums.seconds,
            "peak_memory_bytes": peak_memory,
        }
        if self._shows_phase:
            row |= {"masked_by_second_fraction": self._phase.fraction, "mask_rate_asked": self._phase.mask_rate}
        self.sums = WindowSums()
        return row
