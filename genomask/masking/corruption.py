"""Corrupt masked tokens: 80 % become [MASK], 10 % something random, 10 % stay; tokens and spans in, ids and labels out.

Letters: T tokens of all packed sequences, B sequences, R tokens replaced at random.
"""

import torch
from torch import Tensor

from genomask.errors import SettingsError
from genomask.hashing import below, hash64, uniform
from genomask.masking import corruption_loop, streams
from genomask.masking.checks import require_batch, require_spans
from genomask.masking.grid import BaseGrid
from genomask.masking.hidden import base_grid, bases_under
from genomask.types import IGNORE, TokenBases

MASK_SHARE = 0.8
RANDOM_SHARE = 0.1


def corrupt(
    input_ids: Tensor, spans: Tensor, cu_seqlens: Tensor, keys: Tensor, *, tokens: TokenBases, per: str = "span"
) -> tuple[Tensor, Tensor]:
    """Ids (T,) to train on and labels (T,), IGNORE where visible, of ids (T,) and the numbers of their spans (T,).

    per="span": one draw for each span; a span replaced at random gets new bases where it hides them and its tokens
    are recomputed, so that the sequence stays legal k-mers. per="token": every masked token draws on its own, and a
    random one is any k-mer, as others do it. Random tokens of text and k-mers are drawn from the maskable ids alone.
    Raises DataError for a batch that does not fit itself or the vocabulary.
    """
    if per not in ("span", "token"):
        raise SettingsError(f"corruption must be 'span' or 'token', got {per!r}.")
    require_batch(input_ids, cu_seqlens, keys, len(tokens.maskable))
    require_spans(spans, len(input_ids))
    form = corruption_loop.corrupt if input_ids.device.type == "cpu" else corrupt_tensors
    limits = MASK_SHARE, MASK_SHARE + RANDOM_SHARE
    return form(input_ids, spans, cu_seqlens, keys, tokens.to(input_ids.device), per, limits)


def corrupt_tensors(
    input_ids: Tensor,
    spans: Tensor,
    cu_seqlens: Tensor,
    keys: Tensor,
    tokens: TokenBases,
    per: str,
    limits: tuple[float, float],
) -> tuple[Tensor, Tensor]:
    """Corruption as tensor operations: what runs on a GPU, and the twin that the compiled loops must match."""
    grid = base_grid(input_ids, cu_seqlens, tokens)
    masked = spans > 0
    index = masked.nonzero().squeeze(1)
    draws_of = spans[index].long() if per == "span" else grid.position[index]
    action = uniform(keys[grid.sequence[index]], streams.ACTION, draws_of)
    replaced = index[(action >= limits[0]) & (action < limits[1])]

    corrupted = input_ids.clone()
    corrupted[index[action < limits[0]]] = tokens.mask_id
    if per == "span" and tokens.is_dna:
        corrupted[replaced] = _with_new_bases(input_ids, replaced, masked, grid, keys, tokens)
    else:
        corrupted[replaced] = _other_tokens(replaced, grid, keys, tokens)
    return corrupted, torch.where(masked, input_ids, IGNORE)


def _with_new_bases(
    input_ids: Tensor, replaced: Tensor, masked: Tensor, grid: BaseGrid, keys: Tensor, tokens: TokenBases
) -> Tensor:
    """(R,) ids of the replaced tokens after every hidden base they cover was drawn anew."""
    places = grid.start[replaced][:, None] + torch.arange(tokens.k, device=replaced.device)
    sequence = grid.sequence[replaced][:, None]
    bits = hash64(keys[sequence], streams.NEW_BASE, places - grid.offsets[sequence])
    letters = torch.where(bases_under(masked, grid)[places], below(bits, 4), tokens.letters[input_ids[replaced]].long())
    powers = 4 ** torch.arange(tokens.k - 1, -1, -1, device=replaced.device)
    return tokens.kmer_ids[(letters * powers).sum(1)]


def _other_tokens(replaced: Tensor, grid: BaseGrid, keys: Tensor, tokens: TokenBases) -> Tensor:
    """(R,) ids drawn evenly from all maskable ids."""
    bits = hash64(keys[grid.sequence[replaced]], streams.NEW_TOKEN, grid.position[replaced])
    return tokens.maskable_ids[below(bits, len(tokens.maskable_ids))]
