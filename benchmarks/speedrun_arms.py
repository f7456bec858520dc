"""Who takes part in the speedrun: each arm is a recipe with changes, and the peer's model where it is not ours."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from peers import Padded
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from genomask.machine.processor import multiplies_in_bf16
from genomask.recipe import GenomeRecipe, load_recipe

PRECISION = "bf16" if multiplies_in_bf16() else "fp32"
MATCHED = ("windows.validation_windows=128", "training.device=cpu", f"training.precision={PRECISION}")
"""All arms are scored on the same held-out windows of 510 bases, and compute in what this processor has units for."""
DNABERT = (
    "windows.max_tokens=510",
    "training.sequences_per_step=16",
    "masking.strategy=contiguous",
    "masking.corruption=token",
    "optimizer.learning_rate=4e-4",
    "optimizer.warmup_steps=200",
)
"""DNABERT's recipe (Ji et al., 2021) at the size of genome-tiny: windows of 510 tokens, half of them shorter, as many
tokens a step, contiguous spans of k tokens, 80/10/10 by token, its rate, 5 % of warm-up (500 of 10,000 steps)."""
MOSAIC = (
    "encoder.positions=alibi",
    "encoder.hidden_dropout_prob=0.1",
    "masking.strategy=contiguous",
    "masking.corruption=token",
    "masking.mask_rate=0.30",
    "optimizer.learning_rate=5e-4",
    "optimizer.weight_decay=0.02",
    "optimizer.warmup_steps=240",
    "optimizer.min_lr_ratio=0.02",
)
"""MosaicBERT's recipe (Portes et al., 2023) at that size: 128 tokens, 30 % masked, decoupled decay 1e-5 at rate 5e-4,
6 % of warm-up, dropout. Its masks are contiguous here: k-mers chosen one by one, as it does, hide no base."""
FEW = "training.sequences_per_step=16"
NO_DROPOUT = ("encoder.hidden_dropout_prob=0.0",)


def hf_bert(recipe: GenomeRecipe, vocabulary: int, dropout: float) -> nn.Module:
    """transformers' BERT with the parameters of the recipe's encoder: a dense MLP of 3/2 the gated one's width."""
    encoder = recipe.encoder
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=encoder.hidden_size,
        num_hidden_layers=encoder.num_hidden_layers,
        num_attention_heads=encoder.num_attention_heads,
        intermediate_size=3 * encoder.intermediate_size // 2,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        attn_implementation="sdpa",
    )
    torch.manual_seed(recipe.training.seed)
    return Padded(BertForMaskedLM(config))


@dataclass(frozen=True)
class Arm:
    """One side of the race."""

    name: str
    recipe: str
    changes: tuple[str, ...] = ()
    peer: Callable[[GenomeRecipe, int], nn.Module] | None = None
    """Recipe and size of the vocabulary -> the model; None: ours."""
    fraction: float = 1.0
    """Of the budget, over which the schedule of this arm runs."""

    def settings(self, seed: int) -> GenomeRecipe:
        """The recipe as this arm runs it."""
        recipe = load_recipe(self.recipe, [*MATCHED, *self.changes, f"training.seed={seed}"])
        assert isinstance(recipe, GenomeRecipe)
        return recipe


def at_rate(arm: Arm, rate: float) -> Arm:
    """The same with another peak rate, which its name says."""
    return replace(arm, name=f"{arm.name}, {rate:g}", changes=(*arm.changes, f"optimizer.learning_rate={rate}"))


def published_bert(recipe: GenomeRecipe, vocabulary: int) -> nn.Module:
    """HF BERT as DNABERT sets it."""
    return hf_bert(recipe, vocabulary, dropout=0.1)


def bert_without_dropout(recipe: GenomeRecipe, vocabulary: int) -> nn.Module:
    """HF BERT at its fastest."""
    return hf_bert(recipe, vocabulary, dropout=0.0)


TARGET = "HF BERT, DNABERT's recipe"
"""What this arm reaches in its whole budget is what the others are timed to."""
BERT = Arm(TARGET, "genome-tiny", DNABERT, published_bert)
BERT_FREE = Arm("HF BERT, no dropout", "genome-tiny", DNABERT, bert_without_dropout)
MOSAICBERT = Arm("MosaicBERT's recipe", "genome-tiny", MOSAIC)
MOSAIC_FREE = Arm("MosaicBERT's recipe, no dropout", "genome-tiny", (*MOSAIC, *NO_DROPOUT))
TINY = Arm("genome-tiny", "genome-tiny")

FAST = Arm("genome-fast", "genome-fast")
QUARTER = replace(FAST, name="genome-fast, a quarter of the budget", fraction=0.25)

MUON = "optimizer.name=muon"
ARMS = {
    "race": [
        BERT,
        *(at_rate(BERT_FREE, rate) for rate in (4e-4, 1e-3, 3e-3)),
        MOSAICBERT,
        *(at_rate(MOSAIC_FREE, rate) for rate in (5e-4, 1e-3, 3e-3)),
        TINY,
        FAST,
        QUARTER,
    ],
    "published": [BERT, MOSAICBERT, TINY, FAST, QUARTER],
    "switches": [
        BERT,
        TINY,
        Arm("30 % masked", "genome-tiny", ("masking.mask_rate=0.30",)),
        Arm("muon, rate 0.01", "genome-tiny", (MUON,)),
        Arm("muon, rate 0.02", "genome-tiny", (MUON, "optimizer.muon_learning_rate=0.02")),
        Arm("muon, 30 % masked", "genome-tiny", (MUON, "masking.mask_rate=0.30")),
        Arm("muon, 45 % masked", "genome-tiny", (MUON, "masking.mask_rate=0.45")),
        Arm("muon, 45 %, 16 windows a step", "genome-tiny", (MUON, "masking.mask_rate=0.45", FEW)),
        Arm("muon, 45 %, 4 layers", "genome-tiny", (MUON, "masking.mask_rate=0.45", "encoder.num_hidden_layers=4")),
    ],
}
"""Who races whom: all; without the search for the peers' best rates; one switch after the other."""
