"""Models of other libraries with our signature: packed tokens in, loss or logits out."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

from genomask.types import IGNORE


class Padded(nn.Module):
    """A padded masked language model: every batch is padded to its longest sequence, as its users do.

    Letters: T packed tokens, B sequences, S tokens of the longest, M masked tokens, V ids.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        cu_seqlens: Tensor,
        max_seqlen: int,
        masked_index: Tensor,
        labels: Tensor | None = None,
        loss_weights: Tensor | None = None,
        reduction: str = "sum",
    ) -> MaskedLMOutput:
        """(T,) ids -> the loss in nats, summed over labels (T,) that are not -100; without labels logits (M, V)."""
        assert reduction == "sum"
        sizes = cu_seqlens.diff().tolist()
        real = torch.arange(max(sizes)) < cu_seqlens.diff()[:, None]
        ids = pad_sequence(input_ids.split(sizes), batch_first=True)
        if labels is None:
            logits = self.model(input_ids=ids, attention_mask=real.long()).logits
            return MaskedLMOutput(logits=logits[real][masked_index])
        wanted = pad_sequence(labels.split(sizes), batch_first=True, padding_value=IGNORE)
        mean = self.model(input_ids=ids, attention_mask=real.long(), labels=wanted).loss
        return MaskedLMOutput(loss=mean * len(masked_index))
