"""How far a run is, and a checkpoint's state.json, which records it: read strictly, since its numbers are used."""

import math
from typing import Any, NamedTuple

from genomask.masking import MaskAccount


class WindowSums(NamedTuple):
    """Sums over the steps since the last logged row."""

    masks: MaskAccount = MaskAccount(0, 0, 0, 0, 0)
    loss: float = 0.0  # nats, over the masked tokens
    seconds: float = 0.0
    waited: float = 0.0  # of these seconds, for data
    gradient_norm: float = 0.0  # over the steps
    steps: int = 0  # without skipped ones, as in all sums but those of seconds
    flops: int = 0  # of the products executed, forward and backward
    skipped: int = 0  # steps whose loss or gradient was not finite


class Best(NamedTuple):
    """The evaluation that was best so far."""

    step: int
    score: float


class CheckpointState(NamedTuple):
    """How far a run is: with weights and moments, all that it needs to go on."""

    steps_done: int = 0
    tokens: int = 0
    fixed_mask_scores: tuple[
        float, ...
    ] = ()  # bits per hidden base at each evaluation, where a curriculum waits for them
    switched_at: int | None = None  # first step after the curriculum's switch
    window: WindowSums = WindowSums()
    best: Best | None = None  # of the evaluations so far
    skipped_in_a_row: int = 0  # up to the last step


def to_state(progress: CheckpointState, n_moments: int) -> dict[str, Any]:
    """The contents of state.json: plain numbers by name."""
    window = progress.window._asdict()
    return {
        **progress._asdict(),
        "window": {**window.pop("masks")._asdict(), **window},
        "best": progress.best and progress.best._asdict(),
        "optimizer_tensors": n_moments,
    }


def from_state(state: Any) -> tuple[CheckpointState, int | None]:
    """The progress, and how many tensors the optimizer has (None: unknown, written by an earlier version).

    Raises ValueError for what `to_state` never writes.
    """
    try:
        window = state.get("window")
        sums = WindowSums()
        if window is not None:
            masks = MaskAccount(*(_count(window[name]) for name in MaskAccount._fields))
            sums = WindowSums(
                masks,
                loss=_number(window["loss"]),
                seconds=_number(window["seconds"]),
                waited=_number(window.get("waited", 0)),  # earlier versions wrote no more
                gradient_norm=_number(window.get("gradient_norm", 0)),
                steps=_count(window.get("steps", 0)),
                flops=_count(window.get("flops", 0)),
                skipped=_count(window.get("skipped", 0)),
            )
        progress = CheckpointState(
            _count(state["steps_done"]),
            _count(state["tokens"]),
            tuple(map(_number, state["fixed_mask_scores"])),
            None if state["switched_at"] is None else _count(state["switched_at"]),
            sums,
            Best(_count(best["step"]), _number(best["score"])) if (best := state.get("best")) is not None else None,
            _count(state.get("skipped_in_a_row", 0)),
        )
        return progress, _count(state["optimizer_tensors"]) if "optimizer_tensors" in state else None
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"state.json does not give the run's progress ({error!r})") from error


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"state.json holds {value!r} where a count should be")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"state.json holds {value!r} where a number should be")
    return float(value)
