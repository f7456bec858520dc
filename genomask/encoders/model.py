"""MosaicBertModel: token ids in, one vector a token out; packed inside, whatever the form of the input.

Letters: B sequences, S tokens of a padded row, T tokens of all packed sequences, Q tokens asked for, D width, N heads.
"""

from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Attend, Layout
from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.eager import eager
from genomask.encoders.gathered import NOTHING, Gathered, Wanted, asked
from genomask.encoders.implementations import attention_of, checked
from genomask.encoders.inputs import Given, PackedTokens
from genomask.encoders.layers import Embeddings, Layer, SelfAttention
from genomask.encoders.linear import Linear, type_of_products
from genomask.encoders.packing import pad
from genomask.encoders.padded import attend_in_rows, places_in_rows, to_rows
from genomask.encoders.positions import turned
from genomask.encoders.stem import Stem, Tables
from genomask.errors import DataError


class Encoder(nn.Module):
    """The layers; provides the name `encoder.layer`."""

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
    """Weights, saving and loading, as in transformers; every model here derives from it."""

    config: MosaicBertConfig
    config_class = MosaicBertConfig
    base_model_prefix = "bert"
    supports_gradient_checkpointing = True
    _no_split_modules = ["Layer"]  # noqa: RUF012  the name and type transformers expects
    _input_embed_layer = "word_embeddings"
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True
    _can_record_outputs = {"hidden_states": Layer, "attentions": SelfAttention}  # noqa: RUF012  what `gathered` keeps

    def _check_and_adjust_attn_implementation(self, attn_implementation: str | None, *_: Any, **__: Any) -> str:
        """Called by transformers to check an `attn_implementation`: here the names mean our backends."""
        return checked(attn_implementation)

    def set_attn_implementation(self, attn_implementation: str | dict[str, str], *_: Any, **__: Any) -> None:
        """Set attention by transformers' name, in every part of the model: they share one config."""
        asked = attn_implementation
        name = asked.get("", self.config._attn_implementation) if isinstance(asked, dict) else asked
        self.config._attn_implementation = checked(name)

    def _init_weights(self, module: nn.Module) -> None:
        """As in transformers, except that a stem begins as if there were none.

        Random vectors, one for each neighbour, would together drown the token's own.
        """
        if isinstance(module, Tables):
            init.zeros_(module.weight)
        else:
            super()._init_weights(module)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Embedding:
        """Give the vocabulary `new_num_tokens` ids (None: as many as before), as in transformers.

        The rows that only padded the vocabulary are cut off first, so that new ids start as new rows.
        pad_to_multiple_of: the embedding gets more rows than ids; those are never predicted.
        """
        if new_num_tokens is None and pad_to_multiple_of is None:
            return super().resize_token_embeddings()
        before = self.config.vocab_size
        ids = before if new_num_tokens is None else new_num_tokens
        super().resize_token_embeddings(before)
        words = super().resize_token_embeddings(ids, pad_to_multiple_of, mean_resizing)
        for stem in (module for module in self.modules() if isinstance(module, Stem)):
            stem.resize(min(before, ids), len(words.weight))
        self.config.vocab_size, self.config.vocab_rows = ids, len(words.weight)
        if self.config.pad_token_id is not None and self.config.pad_token_id >= ids:
            self.config.pad_token_id = None  # as its row is gone
        return words


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

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: Wanted = None,
    ) -> BaseModelOutput:
        """Padded: input_ids (B, S) -> last_hidden_state (B, S, D), zeros at padding (attention_mask 0; None: none).

        Packed: input_ids (T,) with cu_seqlens (B + 1,) and max_seqlen -> (T, D). inputs_embeds, a vector a token, may
        replace the ids; position_ids are refused. output_hidden_states (None: as in the config) adds the vectors after
        the embeddings and after each layer, in the same form; output_attentions (likewise) adds each layer's attention
        (B, N, S, S), computed by the plain formula.
        """
        given = Given(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen, inputs_embeds, position_ids)
        tokens, unpadding = given.packed(self.config.vocab_size)
        gathered = asked(self.config, unpadding, output_attentions, output_hidden_states)
        hidden = self.encode(tokens, gathered=gathered)
        return BaseModelOutput(
            last_hidden_state=hidden if unpadding is None else pad(hidden, unpadding), **gathered.given
        )

    def encode(self, tokens: PackedTokens, queries: Tensor | None = None, gathered: Gathered = NOTHING) -> Tensor:
        """Packed tokens -> (T, D); with `queries` (Q,), only the vectors of the tokens there: (Q, D), in any order.

        For the others the last layer then computes only keys and values; the vectors are the same. `gathered`: what
        else is wanted, of all tokens.
        """
        if gathered.any and queries is not None:
            return self.encode(tokens, None, gathered).index_select(0, queries)
        layout = self._layout(tokens, gathered)
        places = self._places(tokens, layout)
        added = places if self.config.position_encoding.learned else None
        hidden = self.embeddings(tokens, added)
        if (len(hidden) if queries is None else len(queries)) == 0:
            return self._of_no_token(hidden[:0], layout, gathered)  # so that no backend has to handle this
        if gathered.maps is not None:
            attend = self._turned(partial(eager, layout=layout, maps=gathered.maps), places)
            return self._through_layers(hidden, attend, queries, gathered)
        if self.config.unpadding or gathered.any:
            attention = attention_of(self.config, hidden.device, type_of_products(hidden))
            attend = self._turned(partial(attention, layout=layout), places)
            return self._through_layers(hidden, attend, queries, gathered)
        rows, of_rows = to_rows(hidden, layout), None if places is None else to_rows(places, layout)
        attend = self._turned(partial(attend_in_rows, layout=layout), of_rows)
        if queries is not None:
            return self._through_layers(rows, attend, places_in_rows(queries, layout), gathered)
        in_rows = places_in_rows(tokens.places, layout)
        return self._through_layers(rows, attend, None, gathered).index_select(0, in_rows)

    def _through_layers(self, hidden: Tensor, attend: Attend, queries: Tensor | None, gathered: Gathered) -> Tensor:
        """(T, D) -> (T, D), or (Q, D)."""
        hidden = gathered.keep(hidden)
        for layer in self.encoder.layer[:-1]:
            hidden = gathered.keep(layer(hidden, attend))
        if queries is None:
            return gathered.keep(self.encoder.layer[-1](hidden, attend))
        ascending, order = queries.sort(stable=True)
        hidden = self.encoder.layer[-1](hidden, attend, ascending)
        return hidden.index_select(0, order.argsort())

    def _of_no_token(self, hidden: Tensor, layout: Layout, gathered: Gathered) -> Tensor:
        """(0, D) -> (0, D), and maps of nothing but padding."""
        for _ in range(len(self.encoder.layer) + 1):
            hidden = gathered.keep(hidden)
        if gathered.maps is not None:
            packed = len(layout.cu_seqlens) - 1, layout.max_seqlen
            rows, columns = packed if layout.rows is None else layout.rows.shape
            shape = rows, self.config.num_attention_heads, columns, columns
            gathered.maps.extend(hidden.new_zeros(shape) for _ in self.encoder.layer)
        return hidden

    def _layout(self, tokens: PackedTokens, gathered: Gathered = NOTHING) -> Layout:
        """Slopes come from the config, never from a buffer: transformers loads unsaved ones as zeros."""
        borders = tokens.cu_seqlens, tokens.max_seqlen
        encoding = self.config.position_encoding
        slopes = alibi_slopes(self.config.num_attention_heads, tokens.device) if encoding.alibi else None
        return Layout(*borders, slopes, encoding.directed, gathered.unpadding)

    def _turned(self, attend: Attend, places: Tensor | None) -> Attend:
        turn = self.config.position_encoding.turn
        return attend if turn is None or places is None else turned(attend, turn, places)

    def _places(self, tokens: PackedTokens, layout: Layout) -> Tensor | None:
        """(T,) place of each token in its sequence, if the encoding reads it; DataError beyond learned positions."""
        encoding, longest = self.config.position_encoding, self.config.max_position_embeddings
        if not encoding.learned and encoding.turn is None:
            return None
        if encoding.learned and tokens.max_seqlen > longest:
            raise DataError(
                f"a sequence has {tokens.max_seqlen} tokens, but this model's learned positions end at {longest}; "
                "cut sequences to that length"
            )
        return tokens.places - tokens.cu_seqlens[layout.sequence_of(tokens.places)]
