"""Classifiers on the encoder: of whole sequences, and of every token.

Letters: B sequences, S tokens of a padded row, T packed tokens, D width, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput
from transformers.utils import can_return_tuple

from genomask.encoders.config import MosaicBertConfig
from genomask.encoders.gathered import Gathered, Wanted, asked
from genomask.encoders.heads import labels_of, masked_loss, refuse_other_labels
from genomask.encoders.inputs import Given, PackedTokens
from genomask.encoders.linear import Linear
from genomask.encoders.model import MosaicBertModel, MosaicBertPreTrainedModel
from genomask.encoders.packing import pad
from genomask.errors import DataError


class MosaicBertForSequenceClassification(MosaicBertPreTrainedModel):
    """The encoder, one vector a sequence, dropout and a linear classifier.

    The vector is BERT's pooler on the first token or, with config.classifier_pooling "mean", the mean of all tokens.
    The loss is config.problem_type's, as in transformers: "regression" (mean squared error),
    "single_label_classification" (cross-entropy) or "multi_label_classification" (binary cross-entropy of each class).
    If it is None: regression for num_labels == 1, else chosen by the labels, whole numbers (B,) or floats (B, C).
    """

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"pooler\."]  # noqa: RUF012  heads of others

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__(config)
        self.bert = MosaicBertModel(config, add_pooling_layer=config.classifier_pooling == "cls")
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = Linear(config.hidden_size, config.num_labels or 2)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: Wanted = None,
    ) -> SequenceClassifierOutput:
        """Padded (B, S) or packed (T,) input, labels (B,) or (B, C) -> loss (with labels) and logits (B, C).

        The other inputs, hidden states and attentions are the encoder's. Raises DataError for a sequence without a
        token, and for labels of another shape or type than the loss takes.
        """
        given = Given(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen, inputs_embeds, position_ids)
        tokens, unpadding = given.packed(self.config.vocab_size)
        _refuse_empty_rows(tokens.cu_seqlens)
        gathered = asked(self.config, unpadding, output_attentions, output_hidden_states)
        logits = self.classifier(self.dropout(self._vectors(tokens, gathered)))
        loss = None if labels is None else self._loss(logits.float(), labels)
        return SequenceClassifierOutput(loss=loss, logits=logits, **gathered.given)

    def _vectors(self, tokens: PackedTokens, gathered: Gathered) -> Tensor:
        """(B, D), one a sequence."""
        if self.config.classifier_pooling == "cls":
            pooled: Tensor = self.bert.pooler(self.bert.encode(tokens, tokens.cu_seqlens[:-1].long(), gathered))
            return pooled
        hidden = self.bert.encode(tokens, gathered=gathered)
        return torch.segment_reduce(hidden.float(), "mean", lengths=tokens.cu_seqlens.diff().long()).to(hidden.dtype)

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
    """The problem that labels of this type mean, if the config gives none."""
    if classes == 1:
        return "regression"
    return "multi_label_classification" if labels.is_floating_point() else "single_label_classification"


def _shaped(labels: Tensor, like: Tensor, problem: str) -> Tensor:
    """Labels in the shape of `like`; those of one class may be (B,) or (B, 1), others must match it."""
    if labels.numel() == like.numel() and labels.shape[:1] == like.shape[:1] and like.numel() == len(like):
        return labels.reshape(like.shape)
    if labels.shape != like.shape:
        raise DataError(f"{problem} needs labels of shape {tuple(like.shape)}, got {tuple(labels.shape)}")
    return labels


def _refuse_empty_rows(cu_seqlens: Tensor) -> None:
    """DataError for a sequence without a token: another sequence's would be read as its first."""
    if torch.compiler.is_compiling():
        return
    lengths = cu_seqlens.diff().tolist()
    if 0 in lengths:
        raise DataError(
            f"row {lengths.index(0)} of the batch has no token (attention_mask 0 everywhere, or an empty sequence); "
            "give it one, or leave the row out"
        )


class MosaicBertForTokenClassification(MosaicBertPreTrainedModel):
    """The encoder, dropout and a linear classifier of every token; the loss is cross-entropy.

    For labels of bases: at stride 1 the token of a base is the k-mer that begins there, at row position 1 + its place
    (after [CLS]). The last k - 1 bases of a sequence begin no k-mer: KmerTokenizer says how to label them.
    """

    _keys_to_ignore_on_load_unexpected = [r"^cls\.", r"pooler\."]  # noqa: RUF012  heads of others

    def __init__(self, config: MosaicBertConfig) -> None:
        super().__init__(config)
        self.bert = MosaicBertModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = Linear(config.hidden_size, config.num_labels or 2)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        max_seqlen: int | None = None,
        inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: Wanted = None,
    ) -> TokenClassifierOutput:
        """Padded (B, S) -> logits (B, S, C), zeros at padding; packed (T,) -> (T, C).

        With labels in the shape of the ids also the loss, the mean over those that are not -100. The other inputs,
        hidden states and attentions are the encoder's. Raises DataError for labels on padding, of another shape, or
        of no class.
        """
        given = Given(input_ids, attention_mask, token_type_ids, cu_seqlens, max_seqlen, inputs_embeds, position_ids)
        tokens, unpadding = given.packed(self.config.vocab_size)
        if labels is not None:
            refuse_other_labels(labels, given, self.classifier.out_features)
            labels = labels if unpadding is None else labels_of(labels, unpadding)
        gathered = asked(self.config, unpadding, output_attentions, output_hidden_states)
        logits = self.classifier(self.dropout(self.bert.encode(tokens, gathered=gathered)))
        loss = None if labels is None else masked_loss(logits, labels)
        logits = logits if unpadding is None else pad(logits, unpadding)
        return TokenClassifierOutput(loss=loss, logits=logits, **gathered.given)
