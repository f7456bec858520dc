"""A training step on a GPU: ours with every backend, compiled and not, beside HF BERT and ModernBERT, in turns.

A case (a recipe's lengths, vocabulary and mask rate) in; rows and a verdict out. A side that ran out of memory, or that
cannot run here, keeps its row with the reason. All sides take the same sequences, in bf16; ours compiled takes them
filled up to one fixed shape, as training does.
"""

import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from mixes import MIXES, Batch, draw_batch
from sides import Shape, Side, build_sides, parameters, trainer
from turns import Turn, median_ratio, spread, take_turns

from genomask.data.fixed_shape import BatchShape, to_fixed_shape
from genomask.encoders.backends import backends_on
from genomask.training.compiling import FIXED_SHAPE_BACKENDS, compile_model
from genomask.training.device import autocast

BATCHES = 4
GIB = 2**30
OWN_MLP = 3072 * 3 // 2
"""`intermediate` of a Shape whose gated MLP has MosaicBERT-base's own width, 3,072: a quarter more to compute."""


@dataclass(frozen=True)
class Case:
    """What a batch is made of; `sequences` of them fill 65,536 tokens when padded."""

    mix: str
    shape: Shape
    mask_rate: float


def _base(sequences: int, vocabulary: int) -> Shape:
    return Shape(width=768, layers=12, heads=12, intermediate=3072, sequences=sequences, vocabulary=vocabulary)


CASES = {
    "c4-base": Case("c4", _base(512, 30_522), 0.30),
    "genome-base": Case("dna", _base(128, 4_101), 0.15),
}


@dataclass
class Runner:
    """One side with what it takes to train it; one that failed keeps the reason and trains no more."""

    side: Side
    backend: str
    compiled: bool
    train: Callable[[int], None]
    """One step, on the batch of a round's number."""
    optimizer: torch.optim.Optimizer
    peak_bytes: int = 0
    first_step_s: float = 0.0
    failed: str = ""

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"{self.side.name}{', ' + self.backend if self.backend else ''}{', compiled' if self.compiled else ''}"

    def step(self, n: int) -> None:
        """Train one step, unless an earlier one failed; a side that fails gives its memory back to the others."""
        if self.failed:
            return
        try:
            self.train(n)
        except RuntimeError as error:  # out of memory, and what the compiler raises, are RuntimeErrors
            traceback.print_exc(file=sys.stderr)
            self.failed = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
        if self.failed:  # only now that the error is gone, which holds on to all that the step had made
            self._give_back()

    def _give_back(self) -> None:
        self.side.model.to("cpu")
        self.optimizer.state.clear()
        self.optimizer.zero_grad()
        torch.cuda.empty_cache()


def measure(case: Case, device: torch.device, rounds: int, ceiling: float) -> tuple[list[dict], Runner | None]:
    """The rows of all sides, and our fastest; `ceiling` in FLOP/s."""
    shape = case.shape
    batches = [
        draw_batch(MIXES[case.mix], shape.sequences, shape.vocabulary, case.mask_rate, n) for n in range(BATCHES)
    ]
    fixed = fill_up(batches, case)
    batches, fixed = ([batch.to(device) for batch in which] for which in (batches, fixed))
    runners = [start(*what, batches, fixed, device) for what in sides_of(case.shape, device)]
    turns = take_turns({runner.name: runner.step for runner in runners if not runner.failed}, rounds, device)
    here = {runner.name: runner for runner in runners if not runner.failed}  # without those that failed in a turn
    turns = {name: turns[name] for name in here}
    in_order = [batches[n % BATCHES] for n in range(rounds)]
    rows = [row(runner, turns.get(runner.name), in_order, fixed, ceiling) for runner in runners]
    peer = turns.get("HF BERT, compiled")
    for line in rows:
        if peer and line["side"] in turns:
            ours = [turn.wall_s for turn in turns[line["side"]]]
            line["times_hf_bert_compiled"] = median_ratio([turn.wall_s for turn in peer], ours)
    fastest = min((x for x in here if x.startswith("ours")), key=lambda x: rate_key(turns[x]), default=None)
    return rows, here.get(fastest) if fastest else None


def rate_key(turns: list[Turn]) -> float:
    """Median seconds."""
    return statistics.median(turn.wall_s for turn in turns)


def fill_up(batches: list[Batch], case: Case) -> list[Batch]:
    """The batches in the one shape that holds them all; a benchmark whose batch had to be split would be wrong."""
    longest = MIXES[case.mix].longest
    tokens = -(-max(sum(batch.lengths) for batch in batches) // 128) * 128
    shape = BatchShape.of(tokens, longest, case.mask_rate)
    filled = []
    for batch in batches:
        (packed,) = to_fixed_shape(batch.packed, shape)
        sequence = torch.searchsorted(packed.cu_seqlens[1:], packed.masked_index.int(), right=True)
        lengths = packed.cu_seqlens.diff().tolist()
        filled.append(Batch(packed, batch.padded, lengths, torch.bincount(sequence, minlength=len(lengths)).tolist()))
    return filled


def sides_of(shape: Shape, device: torch.device) -> Iterator[tuple[Side, str, bool]]:
    """Side, our backend and whether it is compiled, one after the other."""
    own, packed = replace(shape, intermediate=OWN_MLP * shape.width // 768), FIXED_SHAPE_BACKENDS
    here = backends_on(device)
    for backend in here:
        for compiled in (True, False) if backend in packed else (False,):
            yield next(build_sides(shape, backend)), backend, compiled
    for backend in here[:1]:
        yield (
            replace(next(build_sides(own, backend)), name="ours at MosaicBERT's own MLP width"),
            backend,
            backend in packed,
        )
    for name in ("HF BERT", "HF ModernBERT"):
        for compiled in (True, False):
            yield next(side for side in build_sides(shape, "sdpa") if side.name == name), "", compiled


def start(
    side: Side,
    backend: str,
    compiled: bool,
    batches: list[Batch],
    fixed: list[Batch],
    device: torch.device,
    precision: str = "bf16",
) -> Runner:
    """Put the side on the device and train three steps: two compile it, for one shape and for any; then its memory."""
    model = side.model.to(device).train()
    network = model if not compiled else compile_model(model, device) if backend else torch.compile(model)
    optimizer, mine = trainer(model), fixed if backend and compiled else batches

    def train(n: int) -> None:
        with autocast(device, precision):
            loss = network(**side.inputs(mine[n % len(mine)])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    runner = Runner(side, backend, compiled, train, optimizer)
    began = time.perf_counter()
    runner.step(0)
    _wait(device)
    runner.first_step_s = time.perf_counter() - began
    runner.step(1)
    runner.peak_bytes = _peak(runner, device)
    return runner


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak(runner: Runner, device: torch.device) -> int:
    """Bytes that a step takes: what it allocates above what lies there before it, and the side's own state."""
    if device.type != "cuda" or runner.failed:
        return 0
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    runner.step(1)
    return torch.cuda.max_memory_allocated(device) - before + _state_bytes(runner.optimizer)


def _state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Weights and AdamW's moments; gradients come and go within the step."""
    moments = [x for state in optimizer.state.values() for x in state.values()]
    weights = [x for group in optimizer.param_groups for x in group["params"]]
    return sum(x.numel() * x.element_size() for x in (*moments, *weights))


def row(runner: Runner, turns: list[Turn] | None, in_order: list[Batch], fixed: list[Batch], ceiling: float) -> dict:
    """The figures of one side; shares are of the matmul ceiling, executed with and useful without what fills up."""
    side = runner.side
    about = {"side": runner.name, "parameters": parameters(side.model), "first_step_s": runner.first_step_s}
    if turns is None:
        return about | {"failed": runner.failed}
    wall = [turn.wall_s for turn in turns]
    useful = [side.flops(batch) for batch in in_order]
    taken = [fixed[n % BATCHES] for n in range(len(wall))] if runner.backend and runner.compiled else in_order
    executed = [side.flops(batch) for batch in taken]
    return about | {
        "real_tokens_per_s": statistics.median(sum(b.lengths) / s for b, s in zip(in_order, wall, strict=True)),
        "wall_s_per_step": statistics.median(wall),
        "wall_spread": spread(wall, executed),
        "executed_tflop_per_step": statistics.mean(executed) / 1e12,
        "executed_share_of_ceiling": statistics.median(f / s for f, s in zip(executed, wall, strict=True)) / ceiling,
        "useful_share_of_ceiling": statistics.median(f / s for f, s in zip(useful, wall, strict=True)) / ceiling,
        "peak_gib": runner.peak_bytes / GIB,
    }


def verdict(case: str, rows: list[dict]) -> list[str]:
    """Our fastest side against the goals: its share of the ceiling, and how many times the peers' real tokens."""
    done = [line for line in rows if "failed" not in line]
    ours = max((x for x in done if x["side"].startswith("ours")), key=lambda x: x["real_tokens_per_s"], default=None)
    if ours is None:
        return [f"{case}: no side of ours ran"]
    sentences = [
        f"{case}: {ours['side']} reaches {ours['executed_share_of_ceiling']:.1%} of the matmul ceiling (goal 55 %)"
    ]
    for name, goal in (("HF BERT, compiled", 3.0), ("HF ModernBERT, compiled", 1.0)):
        for peer in (x for x in done if x["side"] == name):
            ratio = ours["real_tokens_per_s"] / peer["real_tokens_per_s"]
            sentences.append(f"{case}: {ratio:.2f} x {name} in real tokens a second (goal {goal:g})")
    return sentences + [f"{case}: {x['side']} did not run: {x['failed']}" for x in rows if "failed" in x]
