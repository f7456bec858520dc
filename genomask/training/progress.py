"""The progress of a run: loss, tokens per second and time left."""

from typing import Any, Self

from genomask.terminal.progress import Bars


class TrainingBar(Bars):
    """Where a run is, while it is entered."""

    def __init__(self, steps: int, done: int) -> None:
        super().__init__()
        self._work = self.add("training", steps, "steps", done=done)
        self._status = {"loss": "", "evaluation": ""}

    def __enter__(self) -> Self:
        self._work.show()
        return super().__enter__()

    def step(self, done: int) -> None:
        """Move the bar."""
        self._work.show(done)

    def show_metrics(self, row: dict[str, Any]) -> None:
        """Loss and speed of the last logged steps; of none but skipped ones there is no loss."""
        if "loss_nats_per_masked_token" not in row:
            return
        text = f"loss {row['loss_nats_per_masked_token']:.3f} nats, {row['tokens_per_second']:,.0f} tok/s"
        mfu = row.get("model_flops_utilization")
        self._show("loss", text if mfu is None else f"{text}, MFU {mfu:.0%}")

    def show_evaluation(self, row: dict[str, Any]) -> None:
        """Scores on held-out sequences."""
        bits = row.get("eval_bits_per_hidden_base")
        text = f"held out {row['eval_loss_nats_per_masked_token']:.3f} nats"
        self._show("evaluation", text if bits is None else f"{text}, {bits:.4f} bits/base")

    def _show(self, key: str, text: str) -> None:
        self._status[key] = text
        self._work.show(status=", ".join(part for part in self._status.values() if part))
