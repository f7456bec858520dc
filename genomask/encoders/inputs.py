"""The input of a model: either form is checked and packed.

Letters: B sequences, S tokens of a padded row, T tokens of all packed sequences, D width.
"""

from operator import sub
from typing import NamedTuple

import torch
from torch import Tensor

from genomask.encoders.packing import Unpadding, pack, unpad
from genomask.errors import DataError, SettingsError


class PackedTokens(NamedTuple):
    """Input in the packed form: ids, or vectors in their place."""

    input_ids: Tensor | None  # (T,) int64
    cu_seqlens: Tensor  # (B + 1,) int32, starts at 0, ends at T
    max_seqlen: int
    token_type_ids: Tensor | None  # (T,) int64; None: all 0
    inputs_embeds: Tensor | None = None  # (T, D), where input_ids are None

    @property
    def places(self) -> Tensor:
        """(T,) int64, 0 to T - 1."""
        given = self.inputs_embeds if self.input_ids is None else self.input_ids
        assert given is not None
        return torch.arange(len(given), device=given.device)

    @property
    def device(self) -> torch.device:
        """Where the tokens are."""
        return self.cu_seqlens.device


class Given(NamedTuple):
    """Input as given, before any check."""

    input_ids: Tensor | None  # (B, S), or (T,) with cu_seqlens
    attention_mask: Tensor | None = None  # (B, S)
    token_type_ids: Tensor | None = None  # as input_ids
    cu_seqlens: Tensor | None = None  # (B + 1,)
    max_seqlen: int | None = None
    inputs_embeds: Tensor | None = None  # (B, S, D) or (T, D) in place of input_ids
    position_ids: Tensor | None = None  # refused

    @property
    def shape(self) -> torch.Size:
        """Shape of one number a token: (B, S) or (T,). DataError for neither or both of input_ids and inputs_embeds."""
        if self.input_ids is not None and self.inputs_embeds is None:
            return self.input_ids.shape
        if self.inputs_embeds is not None and self.input_ids is None:
            return self.inputs_embeds.shape[:-1]
        raise DataError("give either input_ids or inputs_embeds, not both")

    def refuse_other_shapes(self) -> None:
        """DataError for tokens that are neither (B, S) nor packed (T,), and for other inputs that do not fit them."""
        name, shape = ("input_ids" if self.inputs_embeds is None else "inputs_embeds"), self.shape
        if len(shape) != (2 if self.cu_seqlens is None else 1):
            wanted = "(tokens,) with cu_seqlens" if self.cu_seqlens is not None else \
                "(sequences, tokens), or (tokens,) with cu_seqlens"  # fmt: skip
            raise DataError(f"{name} have shape {tuple(shape)}; they must be {wanted}")
        if self.cu_seqlens is not None and self.attention_mask is not None:
            raise DataError("packed input (cu_seqlens) holds no padding and takes no attention_mask; leave it out")
        if self.position_ids is not None:
            raise DataError("position_ids are not read: the place of a token follows from its sequence; leave them out")
        for other, given in (("attention_mask", self.attention_mask), ("token_type_ids", self.token_type_ids)):
            if given is not None and given.shape != shape:
                raise DataError(
                    f"{other} has shape {tuple(given.shape)}, {name} {tuple(shape)}; give one value per token "
                    "(masks of token pairs, 3-D or 4-D, are not read)"
                )

    def packed(self, vocab_size: int) -> tuple[PackedTokens, Unpadding | None]:
        """The packed form, and where its tokens were if it was padded.

        Raises DataError for an id outside the vocabulary, for shapes that do not match and for invalid borders;
        SettingsError while the model is exported.
        """
        # in a graph that is compiled, and not exported, PyTorch 2.11 says that it is exporting
        if torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling():
            raise SettingsError(
                "torch.export needs shapes that follow from the input shapes, but packing removes padding, so the "
                "number of tokens depends on the values; compile the model instead (torch.compile)"
            )
        self.refuse_other_shapes()
        if self.input_ids is not None:
            refuse_unknown_ids(self.input_ids, vocab_size, "token id")
        if self.cu_seqlens is not None:
            if self.max_seqlen is None:
                raise DataError(
                    "packed input (cu_seqlens) needs max_seqlen too; give the length of the longest sequence"
                )
            refuse_wrong_borders(self.cu_seqlens, self.max_seqlen, self.shape[0])
            one_a_token = self.token_type_ids, self.inputs_embeds
            return PackedTokens(self.input_ids, self.cu_seqlens, self.max_seqlen, *one_a_token), None
        mask = self.attention_mask
        if mask is None:
            device = next(x.device for x in (self.input_ids, self.inputs_embeds) if x is not None)
            mask = torch.ones(self.shape, dtype=torch.long, device=device)
        rows = unpad(mask)
        ids, types, vectors = (
            None if x is None else pack(x, rows) for x in (self.input_ids, self.token_type_ids, self.inputs_embeds)
        )
        return PackedTokens(ids, rows.cu_seqlens, rows.max_seqlen, types, vectors), rows


def refuse_wrong_borders(cu_seqlens: Tensor, max_seqlen: int, n_tokens: int) -> None:
    """DataError if the sequences do not cover all tokens end to end, or one is longer than max_seqlen.

    A token of no sequence would have a gradient that nobody computed. Like ids, borders are read only on the CPU and
    never in a compiled model; their number, which gives the least length of the longest sequence, is known on a GPU as
    well. A repeated border is an empty sequence; batches of a fixed shape are filled up with them.
    """
    if torch.compiler.is_compiling():
        return
    if cu_seqlens.ndim != 1 or len(cu_seqlens) == 0:
        raise DataError(f"cu_seqlens has shape {tuple(cu_seqlens.shape)}; it must be (sequences + 1,)")
    longest = -(-n_tokens // max(1, len(cu_seqlens) - 1))
    if cu_seqlens.device.type == "cpu":
        borders = cu_seqlens.tolist()
        lengths = [*map(sub, borders[1:], borders)]
        longest = max(lengths, default=0)
        if borders[0] != 0 or borders[-1] != n_tokens or min(lengths, default=0) < 0:
            raise DataError(
                f"cu_seqlens goes from {borders[0]} to {borders[-1]}; it must begin at 0, never decrease, and end "
                f"at the {n_tokens} tokens given"
            )
    if longest > max_seqlen:
        raise DataError(
            f"max_seqlen is {max_seqlen}, but the longest sequence has at least {longest} tokens; give its length"
        )


def refuse_unknown_ids(ids: Tensor, vocab_size: int, what: str) -> None:
    """DataError for an id outside the vocabulary; checked on the CPU only, since a GPU would have to wait for it.

    A compiled model leaves it to the embedding, which refuses such ids less politely.
    """
    if ids.device.type != "cpu" or ids.numel() == 0 or torch.compiler.is_compiling():
        return
    low, high = (int(x) for x in ids.aminmax())
    if low < 0 or high >= vocab_size:
        raise DataError(
            f"{what} {high if high >= vocab_size else low} is outside the model's vocabulary of {vocab_size} ids; "
            "use the tokenizer that was saved with the model"
        )
