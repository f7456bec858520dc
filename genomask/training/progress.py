"""The progress bar of a run: loss, tokens per second and time left."""

from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn

from genomask.terminal import progress_bar, text_column


class TrainingBar:
    """A bar on stderr while it is entered; silent where stderr is no terminal."""

    def __init__(self, steps: int, done: int) -> None:
        self._progress = progress_bar(
            text_column("training"),
            BarColumn(),
            MofNCompleteColumn(),
            text_column("{task.fields[status]}"),
            TimeElapsedColumn(),
            text_column("left"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("training", total=steps, completed=done, status="")
        self._status = {"loss": "", "evaluation": ""}

    def __enter__(self) -> "TrainingBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, done: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done)

    def show_metrics(self, row: dict) -> None:
        """Loss and speed of the last logged steps."""
        self._show("loss", f"loss {row['loss_nats_per_masked_token']:.3f} nats  {row['tokens_per_second']:,.0f} tok/s")

    def show_evaluation(self, row: dict) -> None:
        """Scores on held-out sequences."""
        bits = row.get("eval_bits_per_hidden_base")
        text = f"eval {row['eval_loss_nats_per_masked_token']:.3f} nats"
        self._show("evaluation", text if bits is None else f"{text} {bits:.4f} bits/base")

    def _show(self, key: str, text: str) -> None:
        self._status[key] = text
        self._progress.update(self._task, status="  ".join(part for part in self._status.values() if part))
