"""The head that predicts masked tokens, with its loss.

Letters: B sequences, S tokens of a padded row, T packed tokens, M masked tokens, D width, V vocabulary (padded inside).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import MaskedLMOutput
from transformers.utils import can_return_tuple

from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.gathered import Gathered, Wanted, asked
from genomask.encoders.inputs import Given, PackedTokens, refuse_unknown_ids
from genomask.encoders.layers import LayerNorm
from genomask.encoders.linear import Linear, is_plain, linear
from genomask.encoders.model import MosaicBertModel, MosaicBertPreTrainedModel
from genomask.encoders.packing import Unpadding, pack, pad
from genomask.errors import DataError, counted
from genomask.types import IGNORE


class Transform(nn.Module):
    """dense -> GELU -> LayerNorm."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size)
        self.LayerNorm = LayerNorm(config)

    def forward(self, x: Tensor) -> Tensor:
        """(M, D) -> (M, D)."""
        return self.LayerNorm(F.gelu(self.dense(x)))


class Predictions(nn.Module):
    """Vectors (M, D) -> scores (M, padded V); ids that only pad the vocabulary score -inf."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.config = config
        self.transform = Transform(config)
        self.decoder: nn.Linear = Linear(config.hidden_size, config.padded_vocab_size)

    def forward(self, x: Tensor) -> Tensor:
        """(M, D) -> (M, padded V)."""
        ids = self.config.vocab_size  # which a resize changes
        if not is_plain(self.decoder, Linear):
            scores = self.decoder(self.transform(x))
            return F.pad(scores[:, :ids], (0, scores.shape[1] - ids), value=-torch.inf)
        bias = self.decoder.bias
        padding = bias.new_full((len(bias) - ids,), -torch.inf)
        return linear(self.transform(x), self.decoder.weight, torch.cat([bias[:ids], padding]))


class MlmHead(nn.Module):
    """Provides the name `cls.predictions`."""

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__()
        self.predictions = Predictions(config)


class MosaicBertForMaskedLM(MosaicBertPreTrainedModel):
    """The encoder with the masked-token head; the decoder's weight is the word embedding."""

    _tied_weights_keys = {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"}  # noqa: RUF012

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__(config)
        self.bert = MosaicBertModel(config)
        self.cls = MlmHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The decoder."""
        return self.cls.predictions.decoder

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replace the decoder."""
        self.cls.predictions.decoder = new_embeddings

    def _get_resized_lm_head(self, old_lm_head: nn.Linear, *args: Any, **kwargs: Any) -> nn.Linear:
        """Keep the decoder's own type, as the embedding does; transformers makes a plain one."""
        new = super()._get_resized_lm_head(old_lm_head, *args, **kwargs)
        if type(old_lm_head) is not Linear or type(new) is not nn.Linear:
            return new
        old_lm_head.weight, old_lm_head.bias, old_lm_head.out_features = new.weight, new.bias, new.out_features
        return old_lm_head

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        masked_index: Tensor | None = None,
        loss_weights: Tensor | None = None,
        reduction: str = "mean",
        inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: Wanted = None,
    ) -> MaskedLMOutput:
        """Padded (B, S) or packed (T,) input -> logits, loss, or both.

        Padded: logits (B, S, V) and, with labels (B, S), the loss over labels that are not -100, weighted by
        `loss_weights` (B, S; default 1). With labels and config.sparse_prediction: the loss alone, and the head is
        computed only for tokens with a label, as in the packed form.

        Packed, with cu_seqlens and max_seqlen: with labels (T,), the loss alone, over `masked_index` (M,; default:
        every label that is not -100), weighted by `loss_weights` (M,; default 1); without labels, logits (M, V) at
        masked_index, or of all tokens.
        `reduction`: 'mean', the weighted mean in nats, or 'sum', the weighted sum. A label of -100 never counts, even
        at masked_index. Raises DataError for labels on padding and for masked_index with padded input.
        The other inputs, hidden states and attentions are the encoder's, of every token.
        """
        given = Given(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen, inputs_embeds, position_ids)
        tokens, unpadding = given.packed(self.config.vocab_size)
        if labels is not None:
            refuse_other_labels(labels, given, self.config.vocab_size)
        if unpadding is not None:
            if masked_index is not None:
                raise DataError("masked_index is for packed input (cu_seqlens); padded input uses its labels instead")
            labels = None if labels is None else labels_of(labels, unpadding)
            loss_weights = None if loss_weights is None else pack(loss_weights, unpadding)
        gathered = asked(self.config, unpadding, output_attentions, output_hidden_states)
        loss = logits = None
        if labels is not None and (unpadding is None or self.config.sparse_prediction):
            if masked_index is None:
                masked_index = labels.ne(IGNORE).nonzero().squeeze(1)
                if loss_weights is not None and unpadding is not None:
                    loss_weights = loss_weights[masked_index]
            masked_index = _never_empty(masked_index, len(labels))
            scores = self._scores_at(masked_index, tokens, gathered)
            loss = masked_loss(scores, labels[masked_index], loss_weights, reduction)
        else:
            scores = self.cls.predictions(self.bert.encode(tokens, masked_index, gathered))
            loss = None if labels is None else masked_loss(scores, labels, loss_weights, reduction)
            logits = scores[:, : self.config.vocab_size]
            logits = logits if unpadding is None else pad(logits, unpadding)
        return MaskedLMOutput(loss=loss, logits=logits, **gathered.given)

    def _scores_at(self, masked_index: Tensor, tokens: PackedTokens, gathered: Gathered) -> Tensor:
        """(M, padded V) scores of the masked tokens."""
        if self.config.head_on_masked_only:
            return self.cls.predictions(self.bert.encode(tokens, masked_index, gathered))
        return self.cls.predictions(self.bert.encode(tokens, gathered=gathered)).index_select(0, masked_index)


def refuse_other_labels(labels: Tensor, given: Given, n_labels: int) -> None:
    """DataError for labels of another shape than the tokens, and for one that is neither below n_labels nor -100."""
    if labels.shape != given.shape:
        name = "input_ids" if given.inputs_embeds is None else "inputs_embeds"
        shapes = f"{tuple(labels.shape)}, {name} {tuple(given.shape)}"
        raise DataError(f"labels have shape {shapes}; give one label per token, {IGNORE} to ignore it")
    refuse_unknown_ids(labels.masked_fill(labels == IGNORE, 0), n_labels, "label")


def labels_of(labels: Tensor, unpadding: Unpadding) -> Tensor:
    """(B, S) -> (T,) labels of the real tokens; DataError for a label on padding."""
    packed = pack(labels, unpadding)
    on_padding = int(labels.ne(IGNORE).sum() - packed.ne(IGNORE).sum())
    if on_padding:
        raise DataError(
            f"{counted(on_padding, 'label')} on padding (attention_mask 0); set labels there to {IGNORE}, "
            "or the attention mask to 1"
        )
    return packed


def _never_empty(masked_index: Tensor, n_tokens: int) -> Tensor:
    """With nothing masked, score the first token, if any, whose label counts nothing: every parameter takes part."""
    return masked_index if masked_index.numel() else masked_index.new_zeros(min(n_tokens, 1))


def masked_loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats of scores (M, V) against labels (M,); 0 if no label counts.

    'mean' is the weighted sum over the sum of the weights, so doubling all weights does not change it.
    """
    counted = labels.ne(IGNORE).float()
    if weights is not None and weights.numel():
        counted = counted * weights
    total = (F.cross_entropy(scores.float(), labels, ignore_index=IGNORE, reduction="none") * counted).sum()
    if reduction == "sum":
        return total
    return total / counted.sum().clamp_min(torch.finfo(torch.float32).tiny)
