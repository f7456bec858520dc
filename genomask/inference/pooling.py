"""One vector a sequence, pooled from the vectors of its tokens.

In: an encoder, its tokenizer and sequences. Out: vectors in the sequences' order.

Letters: T tokens of all packed sequences, B sequences, D width, L layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from genomask.errors import SettingsError
from genomask.inference.forward import batches, forward
from genomask.inference.models import Loaded
from genomask.inference.tokens import Tokenised, check_lengths, tokenise
from genomask.settings.ranges import require_one_of

POOLINGS = ("mean", "center", "cls")


@dataclass(frozen=True, kw_only=True)
class VectorSettings:
    """How a sequence becomes a vector."""

    pooling: str = "mean"
    """mean, center or cls: see `pooling_weights`."""
    precision: str = "auto"
    """fp32 or bf16; auto: fp32 on every CPU, so that no vector depends on its units, bf16 on a GPU that has it."""

    def __post_init__(self) -> None:
        require_one_of("pooling", self.pooling, POOLINGS)
        require_one_of("precision", self.precision, ("auto", "fp32", "bf16"))


def vectors(
    loaded: Loaded,
    sequences: list[str],
    settings: VectorSettings,
    where: str,
    names: Sequence[str] = (),
    *,
    every_layer: bool = False,
) -> np.ndarray:
    """(B, D) float32: one vector a sequence; `where` names the file in messages, and `names` each, as in `tokenise`.

    `every_layer`: (B, 2 (L + 1) D), the mean of the vectors after the embeddings and after each layer, weighted by
    the pooling, followed by the standard deviations (the statistics pooling of x-vectors: Snyder et al., 2018).
    Raises DataError for sequences that the model cannot take, SettingsError for a pooling that has no token.
    """
    if not sequences:
        return np.empty((0, _width(loaded.model, every_layer)), dtype=np.float32)
    tokenised = tokenise(loaded.tokenizer, sequences, where, names)
    check_lengths(*loaded, tokenised, where)
    return pooled(loaded.model, tokenised, settings, every_layer=every_layer)


@torch.inference_mode()
def pooled(
    model: PreTrainedModel, tokenised: Tokenised, settings: VectorSettings, *, every_layer: bool = False
) -> np.ndarray:
    """(B, D) float32, or (B, 2 (L + 1) D): one vector a sequence, as in `vectors`."""
    model.eval()
    weights = torch.from_numpy(pooling_weights(tokenised, settings.pooling))
    weights_of = torch.split(weights, tokenised.tokens.lengths.tolist())
    out = np.empty((len(weights_of), _width(model, every_layer)), dtype=np.float32)
    for numbers, tokens in batches(model, tokenised.tokens):
        hidden = forward(model, tokens, settings.precision, every_layer=every_layer)
        weight = torch.cat([weights_of[number] for number in numbers.tolist()]).to(hidden)[:, None]
        lengths = tokens.lengths.to(hidden.device)  # on a GPU, index_add would sum in a varying order
        found = torch.segment_reduce(hidden * weight, "sum", lengths=lengths)
        if every_layer:
            squares = (hidden - found.repeat_interleave(lengths, 0)).square()
            found = torch.cat([found, torch.segment_reduce(squares * weight, "sum", lengths=lengths).sqrt()], dim=1)
        out[numbers.numpy()] = found.cpu().numpy()
    return out


def _width(model: PreTrainedModel, every_layer: bool) -> int:
    layers = 2 * (model.config.num_hidden_layers + 1) if every_layer else 1
    return int(model.config.hidden_size * layers)


class TokenVectors(NamedTuple):
    """Vectors of all tokens that cover letters, sequence by sequence."""

    sequence: np.ndarray  # (T,) int64, the number of the token's sequence
    start: np.ndarray  # (T,) int64, first letter that the token covers, from 0
    stop: np.ndarray  # (T,) int64, the letter after its last
    vectors: np.ndarray  # (T, D) float32


@torch.inference_mode()
def token_vectors(
    loaded: Loaded, sequences: list[str], settings: VectorSettings, where: str, names: Sequence[str] = ()
) -> TokenVectors:
    """A vector of each token except [CLS] and [SEP]; raises DataError as `vectors` does."""
    loaded.model.eval()
    if not sequences:
        none = np.empty(0, dtype=np.int64)
        return TokenVectors(none, none, none, vectors(loaded, [], settings, where))
    tokenised = tokenise(loaded.tokenizer, sequences, where, names)
    check_lengths(*loaded, tokenised, where)
    tokens = tokenised.tokens
    content = tokenised.stop > tokenised.start
    row = torch.from_numpy(np.where(content, content.cumsum() - 1, -1))  # special tokens share a last row, cut off
    rows = torch.split(row, tokens.lengths.tolist())
    out = np.empty((int(content.sum()) + 1, loaded.model.config.hidden_size), dtype=np.float32)
    for numbers, part in batches(loaded.model, tokens):
        hidden = forward(loaded.model, part, settings.precision)
        out[torch.cat([rows[number] for number in numbers.tolist()]).numpy()] = hidden.cpu().numpy()
    owner = np.repeat(np.arange(len(sequences)), tokens.lengths.numpy())
    return TokenVectors(owner[content], tokenised.start[content], tokenised.stop[content], out[:-1])


def pooling_weights(tokenised: Tokenised, pooling: str) -> np.ndarray:
    """(T,) float32 weights of each token in its sequence's vector; they sum to 1 over a sequence.

    mean: all tokens but [CLS] and [SEP]. center: the tokens that cover the sequence's middle letter, or either of its
    two middle letters where the length is even (letters (n - 1) // 2 and n // 2 of n, counted from 0). cls: the first
    token. Raises SettingsError where there is no such token.
    """
    lengths = tokenised.tokens.lengths.numpy()
    owner = np.repeat(np.arange(len(lengths)), lengths)
    content = tokenised.stop > tokenised.start
    if pooling == "cls":
        chosen = np.zeros(len(owner), dtype=bool)
        chosen[tokenised.tokens.cu_seqlens[:-1].numpy()] = True
        if content[chosen].any():
            raise SettingsError("pooling = cls needs a tokenizer that puts [CLS] first; use pooling = mean or center.")
    elif pooling == "center":
        n = tokenised.letters[owner]
        chosen = content & (tokenised.start <= n // 2) & (tokenised.stop > (n - 1) // 2)
    else:
        chosen = content
    if not (found := np.bincount(owner, chosen)).all():
        which = tokenised.called(int(found.argmin()))
        raise SettingsError(f"pooling = {pooling}: in {which} no token covers the middle; use pooling = mean.")
    return (chosen / np.bincount(owner, chosen)[owner]).astype(np.float32)
