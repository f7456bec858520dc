"""The progress of a run: where it is and, under the bar, figures of its last logged steps."""

from typing import Any, Self

from genomask.terminal.progress import Bars


class TrainingBar(Bars):
    """A bar of where a run is, shown while it is entered."""

    def __init__(self, steps: int, done: int) -> None:
        super().__init__()
        self._work = self.add("training", steps, "step", done=done)
        self._details = {"loss": "", "evaluation": "", "steps": ""}
        """The most important first: a narrow terminal cuts off the end."""

    def __enter__(self) -> Self:
        self._work.show()
        return super().__enter__()

    def step(self, done: int) -> None:
        """Move the bar."""
        self._work.show(done)

    def show_metrics(self, row: dict[str, Any]) -> None:
        """Figures of the last logged steps; if all were skipped, there is no loss."""
        if "loss_nats_per_masked_token" not in row:
            return
        mfu = row.get("model_flops_utilization")
        self._details["loss"] = f"loss {row['loss_nats_per_masked_token']:.3f} nats"
        parts = [
            f"{row['tokens_per_second']:,.0f} tok/s ({row['masked_tokens_per_second']:,.0f} masked)",
            "" if mfu is None else f"MFU {mfu:.0%}",
            f"waiting {row['data_wait_fraction']:.0%}",
            f"gradient {row['gradient_norm']:.2g}",
            f"rate {row['learning_rate']:.2g}",
            f"{row['peak_memory_bytes'] / 1e6:,.0f} MB",
        ]
        self._show("steps", ", ".join(part for part in parts if part))

    def show_evaluation(self, row: dict[str, Any]) -> None:
        """Scores on held-out sequences."""
        bits = row.get("eval_bits_per_hidden_base")
        text = f"held out {row['eval_loss_nats_per_masked_token']:.3f} nats"
        self._show("evaluation", text if bits is None else f"{text}, {bits:.4f} bits/base")

    def _show(self, key: str, text: str) -> None:
        self._details[key] = text
        self._work.show(details=", ".join(part for part in self._details.values() if part))
