"""The stem: tables looked up for a token's neighbours are a convolution over one-hot tokens; refusals, and resizing."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import packed_input, tiny_config, tiny_model

from genomask.encoders import MosaicBertForMaskedLM
from genomask.encoders.stem import Stem
from genomask.errors import DataError, SettingsError

pytestmark = pytest.mark.processor


def convolution(stem, ids):
    """(S,) ids of one sequence -> (S, D), by torch's own convolution over one-hot tokens, with an empty middle."""
    tables = stem.of_neighbours.detach().double()
    side, rows, width = len(tables) // 2, *tables.shape[1:]
    kernel = torch.cat([tables[:side], torch.zeros(1, rows, width), tables[side:]])
    one_hot = F.one_hot(ids, rows).double()
    return F.conv1d(one_hot.T[None], kernel.permute(2, 1, 0), padding=side)[0].T


@settings(deadline=None, max_examples=20)
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any),
    width=st.sampled_from([3, 5, 17, 41]),
    channels=st.sampled_from([48, 24, 7, 1]),
    seed=st.integers(0, 99),
)
def test_the_stem_is_a_convolution_over_one_hot_tokens_of_each_sequence(lengths, width, channels, seed):
    stem = Stem(tiny_config(stem_width=width, stem_fraction=channels / 48))
    ids, _, cu_seqlens, _ = packed_input(lengths, seed=seed)
    found = stem(ids, cu_seqlens)
    exact = torch.cat([convolution(stem, piece) for piece in ids.split(lengths) if len(piece)])
    assert exact.shape[1] == channels
    assert (found[:, :channels] - exact).abs().max() < 1e-5
    assert found.shape == (len(ids), 48)
    assert not found[:, channels:].any()


@pytest.mark.parametrize("lengths", [[9, 4, 4, 1, 23], [1, 1], [0, 3, 0]])
def test_both_ways_to_sum_agree_and_so_do_their_gradients(lengths, monkeypatch):
    stem = Stem(tiny_config(stem_width=5, stem_fraction=0.5))
    ids, _, cu_seqlens, _ = packed_input(lengths)
    wanted = torch.randn(len(ids), 48, generator=torch.Generator().manual_seed(0))
    ways = []
    for compiling in (False, True):
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda compiling=compiling: compiling)
        summed = stem(ids, cu_seqlens)
        (gradient,) = torch.autograd.grad(summed, stem.tables.weight, wanted)
        ways.append((summed, gradient))
    torch.testing.assert_close(*ways)


def test_gradients_of_the_tables_have_gradients_themselves():
    stem = Stem(tiny_config(stem_width=5, stem_fraction=0.5))
    ids, _, cu_seqlens, _ = packed_input([9, 1, 23])
    wanted = torch.randn(len(ids), 48, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(stem(ids, cu_seqlens), stem.tables.weight, wanted, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum() / 2, wanted)
    stem.tables.weight.data.copy_(gradient)
    torch.testing.assert_close(second, stem(ids, cu_seqlens))


def test_an_untrained_stem_changes_nothing_and_a_trained_one_opens_as_it_was_saved(tmp_path):
    torch.manual_seed(3)
    model = MosaicBertForMaskedLM(tiny_config(stem_width=5)).eval()
    ids, _, cu_seqlens, longest = packed_input([7, 2])
    packed = {"input_ids": ids, "cu_seqlens": cu_seqlens, "max_seqlen": longest}
    with_stem, model.bert.embeddings.stem = model(**packed).logits, None
    assert torch.equal(with_stem, model(**packed).logits)

    trained = tiny_model(stem_width=5, stem_fraction=0.5)
    trained.save_pretrained(tmp_path)
    opened = MosaicBertForMaskedLM.from_pretrained(tmp_path)
    tables = [m.bert.embeddings.stem.tables.weight for m in (trained, opened)]
    assert tables[0].any()
    assert torch.equal(*tables)


def test_a_batch_without_tokens_passes_through():
    model = tiny_model(stem_width=5).bert
    out = model(torch.zeros(0, dtype=torch.long), cu_seqlens=torch.tensor([0, 0], dtype=torch.int32), max_seqlen=0)
    assert out.last_hidden_state.shape == (0, 48)


def test_the_row_that_stands_for_no_token_is_neither_read_nor_trained():
    model = tiny_model(stem_width=5)
    ids, labels, cu_seqlens, longest = packed_input([3, 2])
    model(input_ids=ids, labels=labels.clamp(min=0), cu_seqlens=cu_seqlens, max_seqlen=longest).loss.backward()
    weight = model.bert.embeddings.stem.tables.weight
    assert not weight.grad[-1].any()
    before = model(input_ids=ids, cu_seqlens=cu_seqlens, max_seqlen=longest).logits
    with torch.no_grad():
        weight[-1] = 1000.0
    assert torch.equal(model(input_ids=ids, cu_seqlens=cu_seqlens, max_seqlen=longest).logits, before)


def test_plain_alibi_with_a_stem_tells_left_from_right():
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    model = tiny_model(stem_width=3, positions="alibi").bert
    forwards, backwards = model(ids).last_hidden_state, model(ids.flip(1)).last_hidden_state.flip(1)
    assert (forwards - backwards).abs().max() > 0.01


def test_a_new_token_changes_none_of_its_neighbours_yet():
    model = tiny_model(stem_width=5, stem_fraction=0.5)
    model.resize_token_embeddings(80)
    stem = model.bert.embeddings.stem
    assert stem.of_neighbours.shape == (4, 80, 24)
    assert stem.of_neighbours[:, :70].any(-1).all()
    assert not stem.of_neighbours[:, 70:].any()


def test_vectors_in_place_of_ids_are_refused():
    with pytest.raises(DataError, match="this model's stem reads the ids of a token's neighbours; give input_ids"):
        tiny_model(stem_width=3)(inputs_embeds=torch.zeros(1, 4, 48))


@pytest.mark.parametrize("width", [0, -3, 2, 3.0, "3", True, 1025])
def test_an_invalid_stem_width_is_refused(width):
    with pytest.raises(SettingsError, match="encoder: stem_width must be"):
        tiny_config(stem_width=width)


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5, float("nan"), "0.5", True, None])
def test_an_invalid_stem_fraction_is_refused(fraction):
    with pytest.raises(SettingsError, match="encoder: stem_fraction must be a number above 0, at most 1"):
        tiny_config(stem_width=3, stem_fraction=fraction)


def test_without_a_fraction_in_the_config_the_stem_adds_to_every_channel():
    """As in encoders whose config was written before there was one."""
    assert tiny_model(stem_width=3).bert.embeddings.stem.of_neighbours.shape[-1] == 48
