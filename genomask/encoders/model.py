"""MosaicBertModel: token ids in, one vector a token out; packed inside, whatever form comes in.

Letters: B sequences, S tokens of a padded row, T tokens of all packed sequences, Q tokens asked for, D width, N heads.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout
from genomask.encoders.backends import BACKENDS, choose_backend
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.layers import Attend, Embeddings, Layer
from genomask.encoders.linear import Linear, type_of_products
from genomask.encoders.packing import Unpadding, pack, pad, unpad
from genomask.encoders.rows import attend_in_rows, places_in_rows, to_rows
from genomask.errors import DataError, SettingsError


class PackedTokens(NamedTuple):
    """Input in the packed form."""

    input_ids: Tensor  # (T,) int64
    cu_seqlens: Tensor  # (B + 1,) int32, starts at 0, ends at T
    max_seqlen: int
    token_type_ids: Tensor | None  # (T,) int64; None: all 0


class Encoder(nn.Module):
    """The layers; holds the name `encoder.layer`."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))


class Pooler(nn.Module):
    """BERT's pooler: dense and tanh on the first token of each sequence."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)

    def forward(self, first_tokens: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return self.dense(first_tokens).tanh()


class MosaicBertPreTrainedModel(PreTrainedModel):
    """Weights, saving and loading, as transformers does them; every model here derives from it."""

    config_class = MosaicBertConfig
    base_model_prefix = "bert"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Layer"]  # noqa: RUF012  the name and type transformers expects


class MosaicBertModel(MosaicBertPreTrainedModel):
    """The encoder without a head."""

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"^classifier\.", r"pooler\."]  # noqa: RUF012  heads of others

    def __init__(self, config: MosaicBertConfig, add_pooling_layer: bool = False) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        if add_pooling_layer:
            self.pooler = Pooler(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The word embedding."""
        return self.embeddings.word_embeddings

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutput:
        """Padded: input_ids (B, S) -> last_hidden_state (B, S, D), zeros at padding (attention_mask 0; None: none).

        Packed: input_ids (T,) with cu_seqlens (B + 1,) and max_seqlen -> (T, D). With output_hidden_states (None: as
        the config says) also the vectors after the embeddings and after each layer, in the same form.
        """
        tokens, unpadding = self.packed(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen)
        states = self.states_asked(output_hidden_states)
        hidden = self.encode(tokens, states=states)
        return BaseModelOutput(
            last_hidden_state=hidden if unpadding is None else pad(hidden, unpadding),
            hidden_states=states_given(states, unpadding),
        )

    def states_asked(self, output_hidden_states: bool | None) -> list[Tensor] | None:
        """An empty list where every layer's vectors are wanted, by the call or by the config; otherwise None.

        SettingsError for a config that wants attention maps: no backend makes any.
        """
        if self.config.output_attentions:
            raise SettingsError("output_attentions: attention is computed without maps of it; set it to false")
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return [] if wanted else None

    def packed(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor | None,
        cu_seqlens: Tensor | None,
        max_seqlen: int | None,
    ) -> tuple[PackedTokens, Unpadding | None]:
        """Either form of input -> the packed form, and where its tokens were if it was padded.

        Raises DataError for an id outside the vocabulary, and for shapes that do not belong together.
        """
        refuse_other_shapes(input_ids, attention_mask, token_type_ids, is_packed=cu_seqlens is not None)
        refuse_unknown_ids(input_ids, self.config.vocab_size, "token id")
        if cu_seqlens is not None:
            assert max_seqlen is not None, "packed input needs max_seqlen"
            return PackedTokens(input_ids, cu_seqlens, max_seqlen, token_type_ids), None
        places = unpad(torch.ones_like(input_ids) if attention_mask is None else attention_mask)
        types = None if token_type_ids is None else pack(token_type_ids, places)
        return PackedTokens(pack(input_ids, places), places.cu_seqlens, places.max_seqlen, types), places

    def encode(self, tokens: PackedTokens, queries: Tensor | None = None, states: list[Tensor] | None = None) -> Tensor:
        """Packed tokens -> (T, D); with `queries` (Q,), only the vectors of the tokens there: (Q, D), any order.

        The last layer then computes nothing but keys and values for the others; the vectors are the same. `states`
        gathers those of all tokens (T, D), after the embeddings and after each layer.
        """
        if states is not None and queries is not None:
            return self.encode(tokens, None, states).index_select(0, queries)
        layout = self._layout(tokens)
        hidden = self.embeddings(tokens.input_ids, tokens.token_type_ids, self._positions(tokens, layout))
        if (len(hidden) if queries is None else len(queries)) == 0:
            if states is not None:
                states += [hidden] * (len(self.encoder.layer) + 1)
            return hidden[:0]  # so that no backend need know of this
        if self.config.unpadding:
            backend = choose_backend(self.config.attention_backend, hidden.device, self._computed_in())
            return self._through_layers(hidden, partial(BACKENDS[backend], layout=layout), queries, states)
        rows, attend = to_rows(hidden, layout), partial(attend_in_rows, layout=layout)
        if queries is not None:
            return self._through_layers(rows, attend, places_in_rows(queries, layout))
        places = places_in_rows(torch.arange(len(hidden), device=hidden.device), layout)
        out = self._through_layers(rows, attend, None, states).index_select(0, places)
        if states is not None:
            states[:] = [rows.index_select(0, places) for rows in states]
        return out

    def _through_layers(
        self, hidden: Tensor, attend: Attend, queries: Tensor | None, states: list[Tensor] | None = None
    ) -> Tensor:
        """(T, D) -> (T, D), or (Q, D); `states` gathers what comes in and what each layer makes of it."""
        for layer in self.encoder.layer[:-1]:
            if states is not None:
                states.append(hidden)
            hidden = layer(hidden, attend)
        if queries is None:
            out = self.encoder.layer[-1](hidden, attend)
            if states is not None:
                states += [hidden, out]
            return out
        ascending, order = queries.sort(stable=True)
        hidden = self.encoder.layer[-1](hidden, attend, ascending)
        return hidden.index_select(0, order.argsort())

    def _computed_in(self) -> torch.dtype:
        """The type of q, k and v: autocast's, or the weights' own."""
        return type_of_products(self.embeddings.word_embeddings.weight)

    def _layout(self, tokens: PackedTokens) -> Layout:
        """Slopes come from the config, never from a buffer: transformers loads those it did not save as zeros."""
        if self.config.positions == "learned":
            return Layout(tokens.cu_seqlens, tokens.max_seqlen, None)
        slopes = alibi_slopes(self.config.num_attention_heads, tokens.input_ids.device)
        return Layout(tokens.cu_seqlens, tokens.max_seqlen, slopes, self.config.positions == "alibi-directed")

    def _positions(self, tokens: PackedTokens, layout: Layout) -> Tensor | None:
        """(T,) place of each token in its sequence, for learned positions; DataError where the table is too short."""
        if self.config.positions != "learned":
            return None
        longest = self.config.max_position_embeddings
        if tokens.max_seqlen > longest:
            raise DataError(
                f"a sequence has {tokens.max_seqlen} tokens, but this model's learned positions end at {longest}; "
                "cut sequences to that length"
            )
        places = torch.arange(len(tokens.input_ids), device=tokens.input_ids.device)
        return places - tokens.cu_seqlens[layout.sequence_of(places)]


def states_given(states: list[Tensor] | None, unpadding: Unpadding | None) -> tuple[Tensor, ...] | None:
    """Gathered vectors in the form of the input: (T, D) each, or (B, S, D)."""
    if states is None:
        return None
    return tuple(states if unpadding is None else (pad(x, unpadding) for x in states))


def refuse_other_shapes(
    input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None, *, is_packed: bool
) -> None:
    """DataError for ids that are neither (B, S) nor packed (T,), and for a mask or types of another shape."""
    if input_ids.dim() != (1 if is_packed else 2):
        wanted = "(tokens,), as cu_seqlens says" if is_packed else "(sequences, tokens), or (tokens,) with cu_seqlens"
        raise DataError(f"input_ids have shape {tuple(input_ids.shape)}; they must be {wanted}")
    if is_packed and attention_mask is not None:
        raise DataError("packed input (cu_seqlens) holds no padding and takes no attention_mask; leave it out")
    for name, given in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
        if given is not None and given.shape != input_ids.shape:
            raise DataError(
                f"{name} has shape {tuple(given.shape)}, input_ids {tuple(input_ids.shape)}; give one value a token "
                "(masks of pairs of tokens, 3-D or 4-D, are not read)"
            )


def refuse_unknown_ids(ids: Tensor, vocab_size: int, what: str) -> None:
    """DataError for an id outside the vocabulary; looked for on the CPU only, for a GPU would have to wait for it.

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
