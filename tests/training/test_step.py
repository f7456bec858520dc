import pytest
import torch
from torch import nn

from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM
from genomask.training.step import train_step
from genomask.types import IGNORE, PackedBatch

pytestmark = pytest.mark.processor

CPU = torch.device("cpu")


def tiny_model() -> MosaicBertForMaskedLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    return MosaicBertForMaskedLM(MosaicBertConfig(vocab_size=20, hidden_dropout_prob=0.0, **sizes))


def batch_of(lengths: list[int], masked: list[int], seed: int = 0) -> PackedBatch:
    """Random packed sequences with labels at the positions `masked`."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    input_ids = torch.randint(5, 20, (total,), generator=generator)
    labels = torch.full((total,), IGNORE)
    labels[masked] = input_ids[masked]
    cu_seqlens = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
    index = torch.tensor(masked, dtype=torch.int64)
    return PackedBatch(input_ids, labels, cu_seqlens, max(lengths), index, torch.ones(len(masked)))


def split(batch: PackedBatch, sequences: int) -> list[PackedBatch]:
    """The first `sequences` of a batch, and the rest."""
    at = int(batch.cu_seqlens[sequences])
    first, second = batch.masked_index < at, batch.masked_index >= at
    return [
        PackedBatch(batch.input_ids[:at], batch.labels[:at], batch.cu_seqlens[: sequences + 1], batch.max_seqlen,
                    batch.masked_index[first], batch.loss_weights[first]),
        PackedBatch(batch.input_ids[at:], batch.labels[at:], batch.cu_seqlens[sequences:] - at, batch.max_seqlen,
                    batch.masked_index[second] - at, batch.loss_weights[second]),
    ]  # fmt: skip


def step(model, microbatches, rate=0.1, clip_norm=0.0):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    settings = {"clip_norm": clip_norm, "device": CPU, "precision": "fp32"}
    return train_step(model, optimizer, microbatches, **settings)


def test_microbatches_with_unequal_counts_of_masked_tokens_give_the_step_of_the_whole_batch():
    whole = batch_of([6, 9, 4], masked=[1, 7, 8, 9, 10, 16])
    one, two = tiny_model(), tiny_model()
    assert step(one, [whole]) == pytest.approx(step(two, split(whole, 1)), abs=1e-6)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_the_length_of_a_step_follows_from_its_rate_and_the_clipped_gradient():
    def length(**settings):
        model = tiny_model()
        before = nn.utils.parameters_to_vector(model.parameters()).detach()
        step(model, [batch_of([6, 9], masked=[1, 7, 8])], **settings)
        return float((nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm())

    free = length(rate=0.1)
    assert free > 0.01
    assert length(rate=0.2) == pytest.approx(2 * free, rel=1e-3)
    assert length(rate=0.1, clip_norm=5 * free) == pytest.approx(free / 2, rel=1e-3)
    assert length(rate=0.1, clip_norm=20 * free) == pytest.approx(free, rel=1e-3)


def test_a_step_leaves_no_gradient_for_the_next():
    model, batch = tiny_model(), batch_of([6, 9], masked=[1, 7, 8])
    start = nn.utils.parameters_to_vector(model.parameters()).detach()
    moved = []
    for _ in range(2):
        nn.utils.vector_to_parameters(start.clone(), model.parameters())
        step(model, [batch])
        moved.append(nn.utils.parameters_to_vector(model.parameters()).detach())
    assert torch.equal(*moved)
    assert not torch.equal(moved[0], start)


def test_a_token_of_weight_zero_does_not_count():
    batch = batch_of([6, 9], masked=[1, 7, 8])
    without = batch_of([6, 9], masked=[7, 8])
    weighted = batch._replace(loss_weights=torch.tensor([0.0, 1.0, 1.0]))
    one, two = tiny_model(), tiny_model()
    assert step(one, [weighted]) == pytest.approx(step(two, [without]), abs=1e-6)


def test_a_step_whose_loss_is_not_finite_reports_it_and_leaves_the_weights_alone():
    model = tiny_model()
    with torch.no_grad():
        model.cls.predictions.decoder.bias[7] = float("nan")
    before = [p.clone() for p in model.parameters()]
    assert not step(model, [batch_of([6], masked=[2])]).is_finite
    assert all(torch.equal(a, b) or a.isnan().any() for a, b in zip(before, model.parameters(), strict=True))


def test_a_microbatch_without_masked_tokens_changes_nothing():
    whole = batch_of([6, 9], masked=[1, 2])
    one, two = tiny_model(), tiny_model()
    assert step(one, [split(whole, 1)[0]]) == pytest.approx(step(two, split(whole, 1)), abs=1e-6)


def test_a_step_with_nothing_masked_at_all_is_skipped():
    model = tiny_model()
    before = [p.clone() for p in model.parameters()]
    assert step(model, [batch_of([6], masked=[])]) == (0.0, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
