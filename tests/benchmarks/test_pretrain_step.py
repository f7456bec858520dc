"""The figures that the benchmark of a training step prints, at toy sizes."""

import gc
from types import SimpleNamespace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

NAMES = ("mixes", "sides", "turns", "machine", "pretrain_step")


@pytest.fixture
def bench(script, monkeypatch):
    """The benchmark's modules."""
    monkeypatch.setattr(gc, "collect", lambda: 0)  # between turns; it takes most of the time here
    return SimpleNamespace(**{name: script(name) for name in NAMES})


def flops_of_scores(_input, a, b, *_args, out_val=None, **_keywords):
    """torch's counter knows baddbmm but not its in-place form."""
    return 2 * a[0] * a[1] * a[2] * b[2]


@pytest.fixture
def tiny(bench):
    shape = bench.sides.Shape(width=32, layers=3, heads=2, intermediate=48, sequences=4, vocabulary=64)
    batch = bench.mixes.draw_batch(bench.mixes.Mix(longest=24, full_fraction=0.5), 4, 64, 0.3, seed=0)
    return shape, batch


def test_the_flops_are_those_that_torch_counts(bench, tiny):
    shape, batch = tiny
    for side in bench.sides.build_sides(shape, "sdpa"):
        counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.baddbmm_: flops_of_scores})
        with counter, sdpa_kernel(SDPBackend.MATH):
            side.model(**side.inputs(batch)).loss.backward()
        # older versions of transformers compute ModernBERT's few rotary angles as a product, which torch counts too
        assert side.flops(batch) == pytest.approx(counter.get_total_flops(), rel=1e-4), side.name


def test_sides_have_equal_parameters_and_the_same_tokens_in_both_forms(bench, tiny):
    counts = [
        bench.sides.parameters(side.model) for side in bench.sides.build_sides(bench.sides.SHAPES["small"], "sdpa")
    ]
    assert max(counts) / min(counts) < 1.04
    _, batch = tiny
    real = batch.padded["attention_mask"].bool()
    assert torch.equal(batch.padded["input_ids"][real], batch.packed.input_ids)
    assert torch.equal(batch.padded["labels"][real], batch.packed.labels)
    assert (batch.padded["labels"][~real] == -100).all()
    assert sum(batch.masked) == len(batch.packed.masked_index)
    assert batch.pad_fraction == pytest.approx(1 - real.float().mean().item())


def test_half_of_the_sequences_are_full_and_a_quarter_of_the_batch_is_padding(bench):
    mix, generator = bench.mixes.MIXES["dna"], torch.Generator().manual_seed(0)
    lengths = torch.tensor(mix.lengths(4000, generator), dtype=torch.float)
    assert (lengths == mix.longest).float().mean() >= 0.5
    assert lengths.mean() / mix.longest == pytest.approx(0.75, abs=0.01)
    assert lengths.min() >= 5


def test_a_ratio_is_the_median_over_rounds_and_a_spread_is_per_unit_of_work(bench):
    assert bench.turns.median_ratio([2.0, 9.0, 4.0], [1.0, 3.0, 2.0]) == 2.0
    assert bench.turns.spread([1.0, 2.0, 3.0, 4.0], [10, 20, 30, 40]) == pytest.approx(0)
    assert bench.turns.spread([1.0, 1.0, 3.0, 3.0], [1, 1, 1, 1]) == pytest.approx(1)


def test_the_first_place_rotates_and_one_round_is_not_counted(bench):
    seen = []
    steps = {name: (lambda n, name=name: seen.append((n, name))) for name in "abc"}
    turns = bench.turns.take_turns(steps, 3, torch.device("cpu"))
    assert {name: len(of_side) for name, of_side in turns.items()} == {"a": 3, "b": 3, "c": 3}
    assert "".join(name for _, name in seen) == "cab" + "abc" + "bca" + "cab"
    assert [n for n, _ in seen] == [0] * 3 + [0] * 3 + [1] * 3 + [2] * 3


@pytest.mark.parametrize(
    ("wall_spread", "clock", "answer"), [(0.05, "wall clock", "not reached"), (0.2, "CPU", "reached")]
)
def test_the_verdict_comes_from_cpu_seconds_where_the_wall_clock_is_noisy(bench, wall_spread, clock, answer):
    seconds = {name: (1.0, 1.0) for name in bench.sides.OURS} | dict.fromkeys(bench.sides.PEERS, (3.0, 4.0))
    seconds["HF ModernBERT, sparse prediction"] = (1.5, 2.5)
    turns = {name: [bench.turns.Turn(*both)] for name, both in seconds.items()}
    rows = [{"side": name, "wall_spread": wall_spread} for name in turns]
    setup = {"config": "small", "precision": "fp32"}
    result = {"setup": setup, "rows": rows, "machine": {"device": "cpu"}}
    sentences = bench.pretrain_step.verdict(result, turns)
    assert all(clock in sentence for sentence in sentences)
    assert [sentence.split(" (")[0].split(" is ")[0].removeprefix("small fp32: ") for sentence in sentences] == [
        *("ours" for _ in bench.sides.PEERS), "ours, padded", "ours, padded, sparse prediction"
    ]  # fmt: skip
    (fastest,) = (sentence for sentence in sentences if "goal" in sentence)
    assert f"ours is {1.5 if clock == 'wall clock' else 2.5:.2f} x HF ModernBERT, sparse prediction (" in fastest
    assert fastest.endswith(f"; the fastest peer, goal 2.3: {answer})")
