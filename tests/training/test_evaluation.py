"""The scores of a run, from held-out windows to the row of metrics.jsonl, against a walk over bases and k-mers."""

import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from reference import reference_bits, reference_hidden_ids, reference_loss
from torch import nn

from genomask.data import Genome, KmerTokenizer
from genomask.data.mixture import Component
from genomask.data.sources import GenomeSource
from genomask.data.windows import WindowSettings
from genomask.masking.plan import build_plan
from genomask.training import evaluation
from genomask.training.baselines import markov_bits
from genomask.training.batches import Batches
from genomask.training.distributed import World, being
from genomask.training.evaluation import evaluate, prepare_evaluation
from genomask.types import IGNORE

CPU = torch.device("cpu")
KINDS = [(3, 1), (4, 4), (1, 1)]
"""k and stride; at k = stride = 4 the last two of 510 bases belong to no token."""
ALIKE = np.ones(4**6)
"""Counts of 6-mers that carry no information."""
PADDING = 3
"""Number of padding ids in the vocabulary."""


class Hashed(nn.Module):
    """In a model's place: a token's logits depend on all ids of its sequence up to it, and on all from it on."""

    def __init__(self, n_ids):
        super().__init__()
        self.tables = torch.randn(2, n_ids, n_ids, generator=torch.Generator().manual_seed(0)) * 2
        self.seen = []

    def scores(self, ids):
        before, behind = ids.cumsum(0), ids.flip(0).cumsum(0).flip(0)
        return sum(table[at % len(table)] for table, at in zip(self.tables, (before, behind), strict=True))

    def forward(self, input_ids, cu_seqlens, max_seqlen, masked_index, labels=None, loss_weights=None, reduction=""):
        assert not self.training
        assert max_seqlen >= cu_seqlens.diff().max()
        sequences = input_ids.split(cu_seqlens.diff().tolist())
        self.seen += sequences
        logits = torch.cat([self.scores(ids) for ids in sequences])[masked_index]
        if labels is None:
            return SimpleNamespace(logits=logits)
        assert reduction == "sum"
        losses = nn.functional.cross_entropy(logits, labels[masked_index], reduction="none")
        return SimpleNamespace(loss=(losses * loss_weights).sum())


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("genome")
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), 40_000, p=[0.4, 0.3, 0.2, 0.1]))
    (folder / "g.fa").write_text(f">one\n{bases}\n")
    return Genome.open(folder / "g.fa", cache=folder)


def prepared(genome, k, stride, strategy="uniform", seed=5, tokens_at_once=1200, counts=ALIKE):
    source = GenomeSource(genome, WindowSettings(max_tokens=40, validation_windows=5), KmerTokenizer(k, stride), seed)
    plan = build_plan(strategy, steps=1, tokens=source.token_bases, mask_rate=0.15, match="none")
    return prepare_evaluation(Batches(source, plan, "span", seed, 8, tokens_at_once), plan.at(0), counts)


def test_held_out_windows_may_be_longer_than_a_microbatch_of_training(genome):
    few, many = prepared(genome, 3, 1, tokens_at_once=100), prepared(genome, 3, 1)
    assert [len(batch.input_ids) for batch in few.token_batches] == [510] * 5
    for field in ("input_ids", "labels"):
        one, other = (torch.cat([getattr(batch, field) for batch in x.token_batches]) for x in (few, many))
        assert torch.equal(one, other)


def test_each_of_several_genomes_is_scored_as_if_it_were_alone(genome):
    halves = Component("a", 0, 20_000, 0.9), Component("b", 20_000, 40_000, 0.1)
    settings = WindowSettings(max_tokens=40, validation_windows=6)
    two = replace(genome, runs=np.array([[0, 20_000], [20_000, 40_000]]))
    source = GenomeSource(two, settings, KmerTokenizer(3, 1), 5, halves)
    plan = build_plan("uniform", steps=1, tokens=source.token_bases, mask_rate=0.15, match="none")
    scored = prepare_evaluation(Batches(source, plan, "span", 5, 8, 1200), plan.at(0), ALIKE)
    model = Hashed(5 + 4**3 + PADDING)
    row = evaluate(model, scored, CPU, "fp32")
    for name, windows in (("a", slice(0, 3)), ("b", slice(3, 6))):
        part = scored.genomes[name]
        assert part.windows == windows
        alone = evaluate(model, scored.only(part), CPU, "fp32")
        assert {f"{metric}_of_{name}": value for metric, value in alone.items()}.items() <= row.items()
        bits = [b for window, hidden in [*windows_of(scored, "six")][windows]
                for b in reference_bits(model.scores, window, hidden, 3, 1)]  # fmt: skip
        assert row[f"eval_bits_per_hidden_base_six_of_{name}"] == pytest.approx(sum(bits) / len(bits), abs=1e-5)
    batches = [scored.only(part).token_batches for part in scored.genomes.values()]
    assert [batch for of_genome in batches for batch in of_genome] == scored.token_batches
    shown = [torch.where(x.labels == IGNORE, x.input_ids, x.labels) for x in scored.token_batches]
    assert torch.equal(torch.cat(shown), scored.input_ids.flatten())  # each window once, in its own genome's batches


def windows_of(scored, item):
    """Letters and hidden bases of each window."""
    letters = ["".join("ACGT"[code] for code in window) for window in scored.codes.tolist()]
    return zip(letters, scored.hidden[item].tolist(), strict=True)


@pytest.mark.parametrize(("k", "stride"), KINDS)
def test_bits_per_hidden_base_are_their_definition_one_base_at_a_time(genome, k, stride, monkeypatch):
    monkeypatch.setattr(evaluation, "WINDOWS_AT_ONCE", 2)
    scored = prepared(genome, k, stride)
    model = Hashed(5 + 4**k + PADDING)
    row = evaluate(model, scored, CPU, "fp32")
    means = {}
    for item, length in (("single", 1), ("six", 6)):
        windows = windows_of(scored, item)
        bits = [b for window, hidden in windows for b in reference_bits(model.scores, window, hidden, k, stride)]
        assert row[f"eval_hidden_bases_{item}"] == len(bits) == 5 * 8 * length
        means[item] = sum(bits) / len(bits)
        assert row[f"eval_bits_per_hidden_base_{item}"] == pytest.approx(means[item], abs=1e-5)
    assert row["eval_bits_per_hidden_base"] == pytest.approx((means["single"] + means["six"]) / 2, abs=1e-5)
    assert abs(means["single"] - means["six"]) > 1e-4


@pytest.mark.parametrize(("k", "stride"), KINDS)
def test_repeats_and_the_rest_are_scored_separately_and_change_no_other_score(genome, k, stride):
    soft = replace(genome, repeats=np.array([[a, a + 300] for a in range(100, 40_000, 700)]))
    plain, scored = prepared(genome, k, stride), prepared(soft, k, stride)
    model = Hashed(5 + 4**k + PADDING)
    row, without = (evaluate(model, x, CPU, "fp32") for x in (scored, plain))
    assert {name: row[name] for name in without} == without
    lower = np.isin(np.arange(40_000) % 700, np.arange(100, 400))
    source = GenomeSource(soft, WindowSettings(max_tokens=40, validation_windows=5), KmerTokenizer(k, stride), 5)
    means = {"repeats": [], "rest": []}
    for item in ("single", "six"):
        bits = {"repeats": [], "rest": []}
        for start, (window, hidden) in zip(source.windows.validation_starts, windows_of(scored, item), strict=True):
            there = [lower[start + i] for i, is_hidden in enumerate(hidden) if is_hidden]
            for is_lower, b in zip(there, reference_bits(model.scores, window, hidden, k, stride), strict=True):
                bits["repeats" if is_lower else "rest"].append(b)
        for part, of_part in bits.items():
            assert row[f"eval_hidden_bases_{item}_{part}"] == len(of_part) > 0
            means[part].append(sum(of_part) / len(of_part))
            assert row[f"eval_bits_per_hidden_base_{item}_{part}"] == pytest.approx(means[part][-1], abs=1e-5)
    for part, of_part in means.items():
        assert row[f"eval_bits_per_hidden_base_{part}"] == pytest.approx(sum(of_part) / 2, abs=1e-5)


def test_a_part_in_which_nothing_is_hidden_has_no_score(genome):
    whole = prepared(replace(genome, repeats=np.array([[0, 40_000]])), 3, 1)
    row = evaluate(Hashed(5 + 4**3 + PADDING), whole, CPU, "fp32")
    assert row["eval_bits_per_hidden_base_repeats"] == row["eval_bits_per_hidden_base"]
    assert not any("rest" in name for name in row)
    of_one_pass = replace(whole, repeats=whole.hidden["single"] & ~whole.hidden["six"])
    row = evaluate(Hashed(5 + 4**3 + PADDING), of_one_pass, CPU, "fp32")
    assert not any("repeats" in name for name in row)
    assert row["eval_bits_per_hidden_base_six_rest"] == row["eval_bits_per_hidden_base_six"]


@pytest.mark.parametrize(("k", "stride"), KINDS)
def test_every_token_over_a_hidden_base_arrives_as_mask_and_no_other_does(genome, k, stride):
    scored = prepared(genome, k, stride)
    model = Hashed(5 + 4**k + PADDING)
    evaluate(model, replace(scored, token_batches=[]), CPU, "fp32")
    wanted = [
        reference_hidden_ids(window, hidden, k, stride).tolist()
        for item in ("single", "six")
        for window, hidden in windows_of(scored, item)
    ]
    assert [ids.tolist() for ids in model.seen] == wanted


def test_the_same_bases_are_hidden_whatever_the_strategy_and_the_tokens(genome):
    one = prepared(genome, 3, 1)
    for other in (prepared(genome, 3, 1, "contiguous"), prepared(genome, 4, 4)):
        assert torch.equal(one.codes, other.codes)
        assert all(torch.equal(one.hidden[item], other.hidden[item]) for item in ("single", "six"))
    assert not torch.equal(one.hidden["single"], prepared(genome, 3, 1, seed=6).hidden["single"])


def test_bits_below_order_0_are_counted_from_the_entropy_of_the_hidden_bases(genome):
    scored = prepared(genome, 3, 1)
    row = evaluate(Hashed(5 + 4**3), scored, CPU, "fp32")
    order_0 = {}
    for item in ("single", "six"):
        letters = [b for window, hidden in windows_of(scored, item) for b, h in zip(window, hidden, strict=True) if h]
        fractions = [n / len(letters) for n in Counter(letters).values()]
        order_0[item] = -sum(fraction * math.log2(fraction) for fraction in fractions)
        below = order_0[item] - row[f"eval_bits_per_hidden_base_{item}"]
        assert row[f"eval_bits_below_order_0_{item}"] == pytest.approx(below, abs=1e-6)
        assert getattr(scored.baselines, f"order_0_bits_{item}") == pytest.approx(order_0[item])
    assert scored.baselines.ln_vocabulary_nats == pytest.approx(3 * math.log(4))
    both = sum(order_0.values()) / 2
    assert scored.baselines.order_0_bits == pytest.approx(both)
    assert row["eval_bits_below_order_0"] == pytest.approx(both - row["eval_bits_per_hidden_base"], abs=1e-6)


def test_the_markov_floors_are_of_the_bases_that_each_pass_hides(genome):
    counts = np.random.default_rng(0).integers(0, 50, 4**6)
    scored = prepared(genome, 3, 1, counts=counts)
    single, six = (markov_bits(scored.codes, scored.hidden[item], counts).mean for item in ("single", "six"))
    found = scored.baselines
    assert (found.order_5_bits_single, found.order_5_bits_six, found.order_5_bits) == (single, six, (single + six) / 2)
    assert abs(single - six) > 1e-3


def test_the_token_loss_is_the_mean_over_all_masked_tokens_whatever_their_weight_in_training(genome):
    scored = prepared(genome, 3, 1)
    assert len(scored.token_batches) > 1
    light = [batch._replace(loss_weights=batch.loss_weights / 3) for batch in scored.token_batches]
    model = Hashed(5 + 4**3 + PADDING).train()
    row = evaluate(model, replace(scored, token_batches=light), CPU, "fp32")
    assert model.training
    total, count = 0.0, 0
    for batch in scored.token_batches:
        lengths = batch.cu_seqlens.diff().tolist()
        for ids, labels in zip(batch.input_ids.split(lengths), batch.labels.split(lengths), strict=True):
            loss, n = reference_loss(model.scores(ids).double(), labels)
            total, count = total + float(loss), count + n
    assert row["eval_loss_nats_per_masked_token"] == pytest.approx(total / count, rel=1e-6)


@pytest.mark.parametrize(("k", "stride"), [(6, 1), (4, 4)])
def test_the_flank_floor_counts_the_hidden_bases_under_a_masked_token(genome, k, stride):
    scored = prepared(genome, k, stride, "contiguous")
    hidden_under = []
    for batch in scored.token_batches:
        for labels in batch.labels.split(batch.cu_seqlens.diff().tolist()):
            masked, visible = set(), set()
            for at, label in enumerate(labels[1:-1].tolist()):
                (visible if label == IGNORE else masked).add(at * stride)
            told = {start + n for start in visible for n in range(k)}
            hidden_under += [sum(start + n not in told for n in range(k)) for start in masked]
    floor = np.mean(hidden_under) * scored.baselines.order_0_bits * math.log(2)
    assert scored.baselines.flank_floor_nats == pytest.approx(floor, rel=0.02)  # fewer at the ends


def test_each_process_scores_a_part_and_all_get_the_row_of_a_single_process(genome, monkeypatch):
    monkeypatch.setattr(evaluation, "WINDOWS_AT_ONCE", 2)
    scored, model = prepared(genome, 3, 1), Hashed(5 + 4**3 + PADDING)
    alone = evaluate(model, scored, CPU, "fp32")
    told = [[], []]

    def row_of(rank, add_up):
        with being(World(rank, 2)), monkeypatch.context() as patch:
            patch.setattr(evaluation.distributed, "add_up", add_up)
            return evaluate(model, scored, CPU, "fp32")

    for rank, own in enumerate(told):
        assert row_of(rank, lambda part, own=own: own.append(part.clone()) or part) != alone
    sums = [one + other for one, other in zip(*told, strict=True)]
    for rank in (0, 1):
        together = iter(sums)
        assert row_of(rank, lambda part, together=together: part.copy_(next(together))) == alone
