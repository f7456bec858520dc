"""Heads on the encoder: masked-token prediction with its loss, and sequence classification.

Letters: B sequences, S tokens of a padded row, T packed tokens, M masked tokens, D width, V vocabulary (padded inside),
C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import MaskedLMOutput, SequenceClassifierOutput
from transformers.utils import can_return_tuple

from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.layers import LayerNorm
from genomask.encoders.linear import Linear, is_plain, linear
from genomask.encoders.model import (
    MosaicBertModel,
    MosaicBertPreTrainedModel,
    PackedTokens,
    refuse_unknown_ids,
    states_given,
)
from genomask.encoders.packing import Unpadding, pack, pad
from genomask.errors import DataError
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
        self.vocab_size = config.vocab_size
        self.transform = Transform(config)
        self.decoder = Linear(config.hidden_size, config.padded_vocab_size)

    def forward(self, x: Tensor) -> Tensor:
        """(M, D) -> (M, padded V)."""
        if not is_plain(self.decoder, Linear):
            scores = self.decoder(self.transform(x))
            return F.pad(scores[:, : self.vocab_size], (0, scores.shape[1] - self.vocab_size), value=-torch.inf)
        bias = self.decoder.bias
        padding = bias.new_full((len(bias) - self.vocab_size,), -torch.inf)
        return linear(self.transform(x), self.decoder.weight, torch.cat([bias[: self.vocab_size], padding]))


class MlmHead(nn.Module):
    """Holds the name `cls.predictions`."""

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

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        masked_index: Tensor | None = None,
        loss_weights: Tensor | None = None,
        reduction: str = "mean",
        output_hidden_states: bool | None = None,
    ) -> MaskedLMOutput:
        """Padded (B, S): logits (B, S, V), and with labels (B, S) the loss, the mean over labels that are not -100.

        Packed (T,) with cu_seqlens and max_seqlen:
        with labels (T,): the loss alone, over `masked_index` (M,; default: every label that is not -100) with
        `loss_weights` (M,; default 1); `reduction`: 'mean', the weighted mean in nats, or 'sum', the weighted sum;
        without labels: logits (M, V) at masked_index, or of all tokens.
        A label of -100 counts nothing, also at masked_index. Raises DataError for labels on padding.
        With output_hidden_states also those of every token, as the encoder gives them.
        """
        tokens, unpadding = self.bert.packed(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen)
        if labels is not None:
            if labels.shape != input_ids.shape:
                shapes = f"{tuple(labels.shape)}, input_ids {tuple(input_ids.shape)}"
                raise DataError(f"labels have shape {shapes}; give one label a token, {IGNORE} where none counts")
            refuse_unknown_ids(labels.masked_fill(labels == IGNORE, 0), self.config.vocab_size, "label")
        predict, states = self.cls.predictions, self.bert.states_asked(output_hidden_states)
        loss = logits = None
        if unpadding is not None:
            scores = predict(self.bert.encode(tokens, states=states))
            loss = None if labels is None else masked_loss(scores, _labels_of(labels, unpadding))
            logits = pad(scores[:, : self.config.vocab_size], unpadding)
        elif labels is None:
            logits = predict(self.bert.encode(tokens, masked_index, states))[:, : self.config.vocab_size]
        else:
            masked_index = labels.ne(IGNORE).nonzero().squeeze(1) if masked_index is None else masked_index
            masked_index = _never_empty(masked_index, len(input_ids))
            scores = self._scores_at(masked_index, tokens, states)
            loss = masked_loss(scores, labels[masked_index], loss_weights, reduction)
        return MaskedLMOutput(loss=loss, logits=logits, hidden_states=states_given(states, unpadding))

    def _scores_at(self, masked_index: Tensor, tokens: PackedTokens, states: list[Tensor] | None) -> Tensor:
        """(M, padded V) scores of the masked tokens."""
        if self.config.head_on_masked_only:
            return self.cls.predictions(self.bert.encode(tokens, masked_index, states))
        return self.cls.predictions(self.bert.encode(tokens, states=states)).index_select(0, masked_index)


def _labels_of(labels: Tensor, unpadding: Unpadding) -> Tensor:
    """(B, S) -> (T,) labels of the real tokens; DataError if another one has a label."""
    packed = pack(labels, unpadding)
    on_padding = int(labels.ne(IGNORE).sum() - packed.ne(IGNORE).sum())
    if on_padding:
        raise DataError(
            f"{on_padding} labels stand on padding (attention_mask 0); set labels there to {IGNORE}, "
            "or the attention mask to 1"
        )
    return packed


def _never_empty(masked_index: Tensor, n_tokens: int) -> Tensor:
    """A batch with nothing masked scores its first token, if it has one, whose label counts nothing: every parameter
    takes part.
    """
    return masked_index if masked_index.numel() else masked_index.new_zeros(min(n_tokens, 1))


def masked_loss(scores: Tensor, labels: Tensor, weights: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats of scores (M, V) against labels (M,), weighted; 0 where no label counts."""
    counted = labels.ne(IGNORE).float()
    if weights is not None and weights.numel():
        counted = counted * weights
    total = (F.cross_entropy(scores.float(), labels, ignore_index=IGNORE, reduction="none") * counted).sum()
    if reduction == "sum":
        return total
    return total / counted.sum().clamp_min(torch.finfo(torch.float32).tiny)


class MosaicBertForSequenceClassification(MosaicBertPreTrainedModel):
    """The encoder, BERT's pooler on the first token, dropout and a linear classifier.

    The loss is config.problem_type's, as in transformers: "regression" (mean squared error),
    "single_label_classification" (cross-entropy) or "multi_label_classification" (binary cross-entropy of each class).
    Where it is None: regression for num_labels == 1, else by the labels, whole numbers (B,) or floats (B, C).
    """

    _keys_to_ignore_on_load_unexpected = [r"^cls\."]  # noqa: RUF012  the masked-token head

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__(config)
        self.bert = MosaicBertModel(config, add_pooling_layer=True)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = Linear(config.hidden_size, config.num_labels or 2)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Padded (B, S) or packed (T,) input, labels (B,) or (B, C) -> loss (with labels) and logits (B, C).

        Raises DataError for a sequence without a token, and for labels of another shape or type than the loss takes.
        """
        tokens, unpadding = self.bert.packed(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen)
        _refuse_empty_rows(tokens.cu_seqlens)
        states = self.bert.states_asked(output_hidden_states)
        first_tokens = self.bert.encode(tokens, tokens.cu_seqlens[:-1].long(), states)
        logits = self.classifier(self.dropout(self.bert.pooler(first_tokens)))
        loss = None if labels is None else self._loss(logits.float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, hidden_states=states_given(states, unpadding))

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        problem = self.config.problem_type or _problem_of(labels, logits.shape[1])
        if problem == "single_label_classification" and not labels.is_floating_point():
            return F.cross_entropy(logits, _shaped(labels, logits[:, 0], problem).long())
        if problem == "regression":
            return F.mse_loss(logits, _shaped(labels, logits, problem).to(logits.dtype))
        if problem == "multi_label_classification":
            return F.binary_cross_entropy_with_logits(logits, _shaped(labels, logits, problem).to(logits.dtype))
        raise DataError(f"config.problem_type {problem!r} does not go with labels of type {labels.dtype}")


def _problem_of(labels: Tensor, classes: int) -> str:
    """What labels of this type are for, where the config does not say."""
    if classes == 1:
        return "regression"
    return "multi_label_classification" if labels.is_floating_point() else "single_label_classification"


def _shaped(labels: Tensor, like: Tensor, problem: str) -> Tensor:
    """Labels in the shape of what they are compared with; one class may stand as (B,) or (B, 1), others as they are."""
    if labels.numel() == like.numel() and labels.shape[:1] == like.shape[:1] and like.numel() == len(like):
        return labels.reshape(like.shape)
    if labels.shape != like.shape:
        raise DataError(f"{problem} needs labels of shape {tuple(like.shape)}, got {tuple(labels.shape)}")
    return labels


def _refuse_empty_rows(cu_seqlens: Tensor) -> None:
    """DataError for a sequence without a first token: another's would be read in its place."""
    if torch.compiler.is_compiling():
        return
    lengths = cu_seqlens.diff().tolist()
    if 0 in lengths:
        raise DataError(
            f"row {lengths.index(0)} of the batch has no token (attention_mask 0 everywhere, or an empty sequence); "
            "give it one, or leave the row out"
        )
