import ctypes
import gc
import resource
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genomask.data import Genome, KmerTokenizer
from genomask.data.packing import pack, take
from genomask.data.sources import GenomeSource
from genomask.data.windows import WindowSettings
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.errors import DataError
from genomask.masking.plan import build_plan
from genomask.training.batches import Batches, cut, expected_part, mask
from genomask.training.distributed import World, being
from genomask.training.step import train_step
from genomask.types import IGNORE


def batches_of(seed, tokens_per_microbatch=500, plan="uniform", workers=1, n_sequences=8, letters=200, read=None):
    """Steps of up to eight sequences, always of the same eight."""
    tokenizer = KmerTokenizer(3)
    codes = np.random.default_rng(0).integers(0, 4, (8, letters), dtype=np.uint8)
    sequences = pack([tokenizer.encode_bases(row).astype(np.int64) for row in codes], np.ones(8))

    def train(first, n):
        return take(sequences, slice(first % 8, first % 8 + n))

    usual = lambda first, n: lambda: train(first, n)  # noqa: E731
    source = SimpleNamespace(token_bases=tokenizer.token_bases, train=train, read=read or usual)
    plan = build_plan(plan, steps=10, tokens=tokenizer.token_bases, mask_rate=0.15)
    return Batches(source, plan, "span", seed, n_sequences, tokens_per_microbatch, workers=workers)


def labels_of(seed, step):
    """The labels of a step."""
    return torch.cat([batch.labels for batch in batches_of(seed).of(step).microbatches])


def test_masks_follow_the_seed_and_the_step_and_nothing_else():
    labels = labels_of(0, 0)
    assert torch.equal(labels, labels_of(0, 0))
    assert not torch.equal(labels, labels_of(1, 0))
    assert not torch.equal(labels, labels_of(0, 1))


@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize("tokens_per_microbatch", [200, 700])
def test_a_step_is_the_same_bit_for_bit_however_many_processes_and_microbatches_share_it(
    processes, tokens_per_microbatch
):
    whole = batches_of(0).of(3)
    parts = []
    for rank in range(processes):
        with being(World(rank, processes)):
            parts.append(batches_of(0, tokens_per_microbatch).of(3))
    for field in ("input_ids", "labels"):
        of_all = [getattr(batch, field) for part in parts for batch in part.microbatches]
        assert torch.equal(torch.cat(of_all), torch.cat([getattr(batch, field) for batch in whole.microbatches]))
    assert sum((part.masks for part in parts[1:]), parts[0].masks) == whole.masks


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growing")
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 20_000))
    (folder / "g.fa").write_text(f">one\n{bases}\n")
    return Genome.open(folder / "g.fa", cache=folder)


def growing_batches(genome, tokens_per_microbatch=4_000, workers=1):
    """Six steps of windows of up to 16, 40 and 40, then 100 tokens."""
    settings = WindowSettings(max_tokens=100, validation_windows=1, length_warmup=((1, 16), (2, 40)))
    growth = settings.growth(6)
    source = GenomeSource(genome, settings, KmerTokenizer(3), 1, growth=growth)
    plan = build_plan("uniform", steps=6, tokens=source.token_bases, mask_rate=0.15)
    return Batches(source, plan, "span", 1, 6, tokens_per_microbatch, workers=workers, growth=growth)


def joined(steps, field):
    return [torch.cat([getattr(batch, field) for batch in step.microbatches]) for step in steps]


@pytest.mark.parametrize(("processes", "workers", "budget"), [(1, 3, 130), (3, 2, 300)])
def test_steps_of_growing_windows_are_the_same_for_any_processes_threads_and_microbatches(
    growing, processes, workers, budget
):
    whole = [growing_batches(growing).of(step) for step in range(6)]
    parts = []
    for rank in range(processes):
        with being(World(rank, processes)):
            parts.append(list(growing_batches(growing, budget, workers).stream(0, 6, lambda: None)))
    for field in ("input_ids", "labels"):
        shared = [torch.cat(of_step) for of_step in zip(*(joined(part, field) for part in parts), strict=True)]
        assert all(map(torch.equal, shared, joined(whole, field)))
    longest = [max(batch.max_seqlen for batch in step.microbatches) for step in whole]
    assert longest == [18, 42, 42, 102, 102, 102]
    tokens = [step.masks.tokens for step in whole]
    assert max(tokens) < 1.5 * min(tokens)
    starts = [ids[:12].tolist() for ids in joined(whole, "input_ids")]
    assert len({tuple(start) for start in starts}) == 6


def test_the_weight_of_a_masked_token_is_that_of_sequence_times_mask_times_bases():
    how = batches_of(0)
    of_sequence, rng = torch.linspace(0.5, 1, 8), torch.Generator().manual_seed(0)
    sequences = how.source.train(0, 8)._replace(weights=of_sequence)
    of_mask, of_bases = torch.rand(2, len(sequences.input_ids), generator=rng)
    masked = mask(sequences, torch.arange(8), how.plan.at(0), tokens=how.source.token_bases, corruption="span")
    found = cut(sequences._replace(token_weights=of_bases), masked._replace(weights=of_mask), 700)
    at = (masked.labels != IGNORE).nonzero().flatten()
    wanted = (
        of_sequence.double().repeat_interleave(sequences.lengths)[at] * of_mask.double()[at] * of_bases.double()[at]
    )
    assert len(found) > 1
    torch.testing.assert_close(torch.cat([batch.loss_weights for batch in found]).double(), wanted, rtol=1e-6, atol=0)


def test_the_expected_size_of_a_step_is_that_of_one_processs_part():
    with being(World(0, 1)):
        whole = expected_part(batches_of(0), 8)
    with being(World(1, 2)):
        half = expected_part(batches_of(0), 8)
    assert whole == (8 * 198, 8, pytest.approx(0.15, abs=0.03))  # tokens, all sequences being alike
    assert half == (4 * 198, 4, whole.masked_fraction)
    changing = expected_part(batches_of(0, plan="rate-step:strategy=uniform:then=0.4:at=5"), 8)
    assert changing.masked_fraction == pytest.approx(0.4, abs=0.05)  # that of the strategy that masks most


def never():
    """A curriculum that does not switch."""
    return


def same(one, other):
    """Whether two steps are alike, bit for bit."""
    pairs = zip(one.microbatches, other.microbatches, strict=True)
    return one.step == other.step and all(
        torch.equal(a.input_ids, b.input_ids) and torch.equal(a.labels, b.labels) for a, b in pairs
    )


def instead(monkeypatch, made):
    """Let `made`, a function of a step's number, make the steps of Batches."""
    monkeypatch.setattr(Batches, "made", lambda self, step, tokens, switched_at=None: made(step))


def threads():
    """The number of threads that make batches."""
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_any_number_of_workers_makes_the_same_steps_in_order(workers):
    batches = batches_of(0, workers=workers)
    found = list(batches.stream(2, 9, never))
    assert [step.step for step in found] == list(range(2, 9))
    assert all(same(step, batches_of(0).of(step.step)) for step in found)
    assert threads() == 0


def test_threads_that_make_batches_leave_the_cores_to_training(monkeypatch):
    before, found = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        instead(monkeypatch, lambda step: found.append((threading.current_thread().name, torch.get_num_threads())))
        list(batches_of(0, workers=2).stream(0, 9, never))
        assert {name.rpartition("_")[0] for name, _ in found} == {"batches"}
        assert {n_threads for _, n_threads in found} == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_switch_changes_its_step_even_if_that_was_made_ahead():
    batches = batches_of(0, plan="cm-gems:first=uniform:second=contiguous", workers=3)
    switched = []
    for step in batches.stream(0, 9, lambda: switched[-1] if switched else None):
        assert same(step, batches.of(step.step, switched[-1] if switched else None))
        if step.step == 3:
            switched.append(5)
    assert not same(batches.of(5, None), batches.of(5, 5))


def test_workers_make_no_more_than_one_step_each_ahead(monkeypatch):
    made = []
    instead(monkeypatch, lambda step: made.append(step) or step)
    stream = batches_of(0, workers=3).stream(0, 100, never)
    for step in range(5):
        assert next(stream) == step
        time.sleep(0.02)
        assert len(made) <= step + 4
    stream.close()
    assert threads() == 0


def test_an_error_in_a_worker_is_raised_in_place_of_its_step(monkeypatch):
    def made(step):
        if step == 2:
            raise DataError("row 7 is damaged")
        return step

    instead(monkeypatch, made)
    stream = batches_of(0, workers=3).stream(0, 9, never)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(DataError, match="row 7 is damaged"):
        next(stream)
    assert threads() == 0


@pytest.mark.parametrize("workers", [1, 4])
def test_steps_are_read_once_and_in_order_by_one_thread_even_if_a_plan_switches(workers):
    asked, usual = [], batches_of(0).source.read

    def read(first, count):
        asked.append((first // 8, threading.get_ident()))
        return usual(first, count)

    batches = batches_of(0, plan="cm-gems:first=uniform:second=contiguous", workers=workers, read=read)
    switched = []
    for step in batches.stream(0, 9, lambda: switched[-1] if switched else None):
        if step.step == 3:
            switched.append(5)
    assert [step for step, _ in asked] == list(range(9))
    assert len({thread for _, thread in asked}) == 1


def test_an_error_in_reading_is_raised_in_place_of_its_step():
    usual = batches_of(0).source.read

    def read(first, count):
        if first == 16:
            raise DataError("row 7 is damaged")
        return usual(first, count)

    stream = batches_of(0, workers=3, read=read).stream(0, 9, never)
    assert [next(stream).step, next(stream).step] == [0, 1]
    with pytest.raises(DataError, match="row 7 is damaged"):
        next(stream)
    assert threads() == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells what a process holds")
def test_five_hundred_steps_leave_no_memory_behind():
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=80, **sizes)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    how = {"clip_norm": 1.0, "device": torch.device("cpu"), "precision": "fp32"}
    warm, steps = 400, 500  # until then the allocator still grows
    with closing(batches_of(0, n_sequences=1, letters=50).stream(0, warm + steps, never)) as stream:
        for step in stream:
            train_step(model, optimizer, step.microbatches, **how)
            if step.step == warm - 1:
                before = held_bytes()
    assert held_bytes() - before < steps * 512  # 512 bytes a step: less than its ids and labels take


def held_bytes():
    """Bytes of main memory that are this process's own; freed memory, cycles too, is given back first."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - shared) * resource.getpagesize()
