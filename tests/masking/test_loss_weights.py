"""Weights that a strategy gives its spans, from the strategy to the loss of a step."""

import numpy as np
import pytest
import torch
from masking_tables import kmer_tokens, random_batch, runs_of, sequences_of
from reference import reference_logits, reference_loss

from genomask.data import KmerTokenizer
from genomask.data.packing import pack as pack_sequences
from genomask.data.packing import split_microbatches, take_batch, to_batch
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.errors import SettingsError
from genomask.hashing import Purpose, uniform
from genomask.masking import build_plan, build_strategy
from genomask.masking.collator import DataCollatorForBaseMasking
from genomask.training.batches import mask
from genomask.training.step import train_step
from genomask.types import IGNORE

OWN = """
from genomask.masking import bases, centres, hide_base, hide_bases, hide_token, mask_token, strategy

@strategy("weighs")
def weighs(sequence, heaviest: float = 2.0):
    letters = bases(sequence)
    for centre in centres(sequence):
        if letters[centre] == 3:
            hide_base(sequence, centre)
        elif letters[centre] < 3:
            hide_bases(sequence, centre, centre + 2, heaviest / (1 + letters[centre]))

@strategy("weighs-interpreted")
def weighs_interpreted(sequence, heaviest: float = 2.0):
    eval("0")  # which numba does not know
    weighs(sequence, heaviest)

@strategy("marks")
def marks(sequence):
    eval("0")  # which numba does not know
    mask_token(sequence, 4)
    hide_token(sequence, 5, 3.0)
    hide_token(sequence, 20, 3.0)

@strategy("hides-directly")
def hides_directly(sequence):
    for base in (0, 23):
        sequence.hidden[base] = True
    for base in (10, 20):
        hide_base(sequence, base, 3.0)
"""
TOKENS = kmer_tokens(3)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "weights.py"
    path.write_text(OWN)
    return path


def built(own, name, tokens=TOKENS, rate=0.4):
    return build_strategy(f"{own}:{name}", tokens=tokens, mask_rate=rate, match="none")


def hidden_by(codes, centres):
    """base -> the weight that `weighs` hid it with, the lowest if several."""
    hidden = {}
    for centre in centres:
        code = codes[centre]
        for base in range(centre, min(len(codes), centre + (1 if code == 3 else 2))):
            hidden[base] = min(hidden.get(base, np.inf), 1.0 if code == 3 else 2.0 / (1 + code))
    return hidden


def test_the_tokens_of_a_span_have_the_lowest_weight_that_hid_a_base_of_it(own):
    ids, cu_seqlens, keys = random_batch(TOKENS, 40, 50)
    spans, weights = built(own, "weighs", rate=0.08).select_weighted(ids, cu_seqlens, keys)
    drawn = uniform(keys[:, None], Purpose.CENTRE, torch.arange(50)) < 0.08
    of_all = zip(drawn, *(sequences_of(x, cu_seqlens) for x in (ids, spans, weights)), strict=True)
    for its_centres, its_ids, its_spans, its_weights in of_all:
        letters = TOKENS.letters[its_ids[1:-1]]
        codes = torch.cat([letters[:, 0], letters[-1, 1:]]).tolist()
        hidden = hidden_by(codes, its_centres.nonzero().flatten().tolist())
        wanted = torch.ones(len(its_ids))
        for first, last in runs_of(its_spans):  # token t, [CLS] being 0, covers the bases t - 1 to t + 1
            wanted[first : last + 1] = min(hidden[base] for base in range(first - 1, last + 2) if base in hidden)
        assert its_weights.equal(wanted)
    assert len(weights[spans > 0].unique()) == 3


def test_compiled_and_interpreted_give_the_same_weights(own):
    ids, cu_seqlens, keys = random_batch(TOKENS, 5, 30)
    compiled, interpreted = (built(own, name).select_weighted(ids, cu_seqlens, keys)
                             for name in ("weighs", "weighs-interpreted"))  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(compiled, interpreted, strict=True))


def test_a_token_marked_without_a_weight_has_weight_one_and_lends_it_to_its_span(own):
    ids, cu_seqlens, keys = random_batch(TOKENS, 1, 40)
    spans, weights = built(own, "marks").select_weighted(ids, cu_seqlens, keys)
    assert [(first, last, *weights[first : last + 1].unique().tolist()) for first, last in runs_of(spans)] == [
        (3, 7, 1.0), (18, 22, 3.0)]  # fmt: skip


def test_a_base_that_is_hidden_directly_has_weight_one_and_lends_it_to_its_span(own):
    ids, cu_seqlens, keys = random_batch(TOKENS, 1, 40)
    spans, weights = built(own, "hides-directly").select_weighted(ids, cu_seqlens, keys)
    assert [(first, last, *weights[first : last + 1].unique().tolist()) for first, last in runs_of(spans)] == [
        (1, 1, 1.0), (9, 11, 3.0), (19, 24, 1.0)]  # fmt: skip


@pytest.mark.parametrize("name", ["weighs", "weighs-interpreted"])
@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 1e39, 1e-50])
def test_a_weight_that_is_no_number_above_zero_is_refused(own, name, weight):
    """The last two are infinity and zero in float32."""
    with pytest.raises(SettingsError, match=f"{name!r} fails on a sequence: ValueError: the weight of a span"):
        built(own, f"{name}:heaviest={weight}").select(*random_batch(TOKENS, 3, 40))


def test_our_strategies_that_weigh_nothing_have_no_weights():
    batch = random_batch(TOKENS, 3, 30)
    for name in ("uniform", "contiguous", "random-span", "span"):
        assert build_strategy(name, tokens=TOKENS, mask_rate=0.3, match="none").select_weighted(*batch).weights is None


def test_a_mixed_step_weighs_each_sequence_as_its_strategy_does(own):
    batch = random_batch(TOKENS, 30, 40)
    plan = build_plan(f"linear-mix:first=uniform:second=({own}:weighs)", steps=11, tokens=TOKENS, mask_rate=0.3,
                      match="none")  # fmt: skip
    (spans, weights), (by_second, its_weights) = (plan.at(step).select_weighted(*batch) for step in (5, 10))
    both = zip(*(sequences_of(x, batch[1]) for x in (spans, weights, by_second, its_weights)), strict=True)
    kinds = {weighs.equal(theirs) if mine.equal(second) else bool((weighs == 1).all())
             for mine, weighs, second, theirs in both}  # fmt: skip
    assert kinds == {True}
    assert weights[spans > 0].unique().numel() > 1
    assert plan.at(0).select_weighted(*batch).weights is None


def test_weights_of_sequences_and_of_tokens_multiply():
    tokens = pack_sequences([np.arange(3), np.arange(4)], weights=[0.5, 1.0])
    labels = torch.tensor([IGNORE, 1, 2, 0, IGNORE, 2, 3])
    half, own_weight = torch.full((7,), 0.5), torch.arange(7.0)
    batch = to_batch(tokens.input_ids, labels, tokens.cu_seqlens, tokens.weights, half, None, own_weight)
    assert batch.loss_weights.tolist() == [0.25, 0.5, 1.5, 2.5, 3.0]
    assert batch.loss_weights.dtype == torch.float32


def tiny(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    config = MosaicBertConfig(vocab_size=len(tokenizer), hidden_dropout_prob=0.0, **sizes)
    return MosaicBertForMaskedLM(config)


def test_a_steps_loss_is_the_weighted_mean_however_it_is_cut(own):
    tokenizer = KmerTokenizer(3)
    rng = np.random.default_rng(0)
    rows = [np.array(tokenizer("".join(rng.choice(list("ACGT"), n)))["input_ids"]) for n in (30, 12, 44)]
    sequences = pack_sequences(rows, weights=[1.0, 0.5, 1.0])
    strategy, keys = built(own, "weighs", tokenizer.token_bases, 0.2), torch.arange(3)
    masked = mask(sequences, keys, strategy, tokens=tokenizer.token_bases, corruption="span")
    whole = to_batch(masked.input_ids, masked.labels, sequences.cu_seqlens, sequences.weights, masked.weights)
    assert len(set(whole.loss_weights.tolist())) > 2

    model = tiny(tokenizer)
    state = {name: x.detach().double() for name, x in model.state_dict().items()}
    total = weight = 0.0
    per_token = masked.weights * torch.repeat_interleave(sequences.weights, sequences.lengths)
    for ids, labels, weights in zip(
        *(sequences_of(x, sequences.cu_seqlens) for x in (masked.input_ids, masked.labels, per_token)), strict=True
    ):
        logits = reference_logits(state, model.config, ids, torch.zeros_like(ids))
        for row, label, its_weight in zip(logits, labels, weights.double(), strict=True):
            term, n = reference_loss(row[None], label[None])
            total, weight = total + float(its_weight * term), weight + float(its_weight) * n
    parts = [take_batch(whole, part) for part in split_microbatches(sequences, 46)]
    assert len(parts) == 2
    settings = {"clip_norm": 0.0, "device": torch.device("cpu"), "precision": "fp32"}
    loss, _ = train_step(model, torch.optim.SGD(model.parameters(), lr=0.0), parts, **settings)
    assert loss == pytest.approx(total / weight, rel=1e-5)


def test_a_padded_batch_of_the_collator_has_the_loss_of_the_packed_one(own):
    tokenizer = KmerTokenizer(3)
    strategy = built(own, "weighs", tokenizer.token_bases, 0.2)
    torch.manual_seed(1)
    batch = DataCollatorForBaseMasking(tokenizer, strategy)([tokenizer("ACGGTTAACGTAACCA"), tokenizer("GATTACAGA")])
    model = tiny(tokenizer)
    real = batch["attention_mask"].bool()
    ids, labels, weights = (batch[name][real] for name in ("input_ids", "labels", "loss_weights"))
    counted, lengths = labels != IGNORE, [0, *real.sum(1).tolist()]
    bounds = torch.tensor(lengths).cumsum(0).int()
    packed = model(
        input_ids=ids, labels=labels, cu_seqlens=bounds, max_seqlen=max(lengths), loss_weights=weights[counted]
    )
    assert len(set(weights[counted].tolist())) > 1
    assert not batch["loss_weights"][~real].any()
    assert model(**batch).loss.item() == pytest.approx(packed.loss.item(), rel=1e-5)
