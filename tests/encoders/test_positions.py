"""Encodings that rotate queries and keys act alike in every form of the encoder, and ignore other sequences."""

import pytest
import torch
from tiny_encoders import tiny_model
from torch import Tensor

from genomask.encoders.inputs import Given
from genomask.encoders.positions import POSITIONS, PositionEncoding


def turn(x: Tensor, places: Tensor) -> Tensor:
    """Rotate (Q, N, H) in planes by place / 10 radians."""
    angle = places[:, None, None] / 10
    first, second = x.chunk(2, -1)
    return torch.cat([first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()], dim=-1)


@pytest.fixture
def turning(monkeypatch):
    monkeypatch.setitem(POSITIONS, "turning", PositionEncoding(turn=turn))
    return tiny_model(positions="turning").bert


def test_turned_heads_tell_left_from_right(turning):
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    forwards, backwards = turning(ids).last_hidden_state, turning(ids.flip(1)).last_hidden_state.flip(1)
    assert (forwards - backwards).abs().max() > 0.01
    assert [name for name, encoding in POSITIONS.items() if not encoding.tells_left_from_right] == ["alibi"]


@pytest.mark.parametrize("form", ["packed", "rows", "eager"])
def test_a_sequence_has_the_same_vectors_alone_and_behind_another_in_every_form(turning, form):
    one, other = torch.tensor([5, 6, 7, 8]), torch.tensor([9, 10])
    alone = turning(one[None]).last_hidden_state[0]
    turning.config.unpadding = form != "rows"
    if form == "eager":
        turning.set_attn_implementation("eager")
    borders = torch.tensor([0, 2, 6], dtype=torch.int32)
    together = turning(torch.cat([other, one]), cu_seqlens=borders, max_seqlen=4).last_hidden_state
    torch.testing.assert_close(together[2:], alone, atol=1e-5, rtol=0)


def test_vectors_of_some_tokens_are_those_of_all(turning):
    ids, mask = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    tokens, _ = Given(ids, mask, None, None, None, None, None).packed(turning.config.vocab_size)
    queries = torch.tensor([1, 4])
    torch.testing.assert_close(turning.encode(tokens, queries), turning.encode(tokens)[queries], atol=1e-5, rtol=0)
