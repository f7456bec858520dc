"""The arms of the speedrun: each is a recipe with changes, and the peer's model where it is not ours."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from peers import Padded
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from genomask.machine.processor import multiplies_in_bf16
from genomask.recipe import Recipe, load_recipe

PRECISION = "bf16" if multiplies_in_bf16() else "fp32"
MATCHED = {
    "genome": ("windows.validation_windows=128",),
    "text": ("tokens.vocab_size=8192", "documents.validation_documents=256", "evaluation.mask_rate=0.15"),
}
"""By kind of recipe: all arms are scored on the same held-out windows of 510 bases, or on the same documents under the
same masks of 15 % of the tokens."""
COMPUTED = ("training.device=cpu", f"training.precision={PRECISION}")
"""All compute in the precision that this processor has units for."""
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
6 % of warm-up, dropout. Its masks are contiguous here: k-mers chosen one by one, as in that recipe, hide no base."""
BERT_OF_2018 = (
    "encoder.positions=learned",
    "masking.mask_rate=0.15",
    "optimizer.learning_rate=1e-4",
    "optimizer.weight_decay=0.01",
    "optimizer.warmup_steps=15",
)
"""BERT's recipe (Devlin et al., 2019) at the size of c4-tiny: 15 % masked, rate 1e-4, 1 % of warm-up, dropout."""
LOGO = (
    "encoder.hidden_size=256",
    "encoder.num_attention_heads=8",
    "encoder.intermediate_size=3072",
    "windows.validation_windows=32",
)
"""The size of genome-logo's encoder, LOGO's (Yang et al., 2022); fewer windows to score, as each costs more."""
FEW, HALF = "training.sequences_per_step=16", "training.sequences_per_step=32"
NO_DROPOUT = ("encoder.hidden_dropout_prob=0.0",)


def hf_bert(recipe: Recipe, vocabulary: int, dropout: float) -> nn.Module:
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
    peer: Callable[[Recipe, int], nn.Module] | None = None
    """Recipe and size of the vocabulary -> the model; None: ours."""
    fraction: float = 1.0
    """The fraction of the budget over which this arm's schedule runs."""

    def settings(self, seed: int) -> Recipe:
        """The recipe as this arm runs it."""
        matched = MATCHED[load_recipe(self.recipe).kind]
        return load_recipe(self.recipe, [*matched, *COMPUTED, *self.changes, f"training.seed={seed}"])

    def digest(self, seed: int) -> str:
        """A digest of all settings of that recipe; it changes if any of them does."""
        return hashlib.sha256(repr(self.settings(seed)).encode()).hexdigest()[:16]


def at_rate(arm: Arm, rate: float) -> Arm:
    """The arm with another peak rate, added to its name."""
    return replace(arm, name=f"{arm.name}, {rate:g}", changes=(*arm.changes, f"optimizer.learning_rate={rate}"))


def changed(arm: Arm, what: str, *changes: str) -> Arm:
    """The arm with further changes, added to its name."""
    return replace(arm, name=f"{arm.name}, {what}", changes=(*arm.changes, *changes))


def published_bert(recipe: Recipe, vocabulary: int) -> nn.Module:
    """HF BERT with DNABERT's settings."""
    return hf_bert(recipe, vocabulary, dropout=0.1)


def bert_without_dropout(recipe: Recipe, vocabulary: int) -> nn.Module:
    """HF BERT at its fastest."""
    return hf_bert(recipe, vocabulary, dropout=0.0)


BERT = Arm("HF BERT, DNABERT's recipe", "genome-tiny", DNABERT, published_bert)
BERT_FREE = Arm("HF BERT, no dropout", "genome-tiny", DNABERT, bert_without_dropout)
MOSAICBERT = Arm("MosaicBERT's recipe", "genome-tiny", MOSAIC)
MOSAIC_FREE = Arm("MosaicBERT's recipe, no dropout", "genome-tiny", (*MOSAIC, *NO_DROPOUT))
BERT_BEST = at_rate(BERT_FREE, 3e-3)
"""At the best of three rates in a race of 150 CPU seconds."""
MOSAIC_BEST = at_rate(MOSAIC_FREE, 3e-3)
"""The same for MosaicBERT's recipe."""
MOSAIC_PUBLISHED = at_rate(MOSAIC_FREE, 5e-4)
"""At its published rate, the best of the three at LOGO's size."""
TINY = Arm("genome-tiny", "genome-tiny")

FAST = Arm("genome-fast", "genome-fast")
ONE_LAYER = changed(FAST, "one layer", "encoder.num_hidden_layers=1")
EVERY_CHANNEL = changed(FAST, "its stem in every channel", "encoder.stem_fraction=1.0")
QUARTER = replace(FAST, name="genome-fast, a quarter of the budget", fraction=0.25)
FIFTH = replace(FAST, name="genome-fast, a fifth of the budget", fraction=0.2)
THIRD = replace(FAST, name="genome-fast, a third of the budget", fraction=1 / 3)
MUON, MORE = "optimizer.name=muon", "masking.mask_rate=0.30"
MUON_30 = Arm("muon, 30 %, 32 windows a step", "genome-tiny", (MUON, MORE, HALF))
ROTARY = changed(MUON_30, "rotary", "encoder.positions=rotary-directed")
"""The records before genome-fast, the later one last."""

TEXT_BERT = Arm("HF BERT, BERT's recipe", "c4-tiny", BERT_OF_2018, published_bert)
TEXT_FREE = Arm("HF BERT, no dropout", "c4-tiny", BERT_OF_2018, bert_without_dropout)
STRICT = at_rate(TEXT_FREE, 3e-3)
C4 = Arm("c4-tiny", "c4-tiny")
C4_FAST = Arm("c4-fast", "c4-fast")
C4_MUON = Arm("muon, rate 0.02", "c4-tiny", (MUON, "optimizer.muon_learning_rate=0.02"))
C4_ALIBI = Arm("muon, 8 documents a step", "c4-fast", ("encoder.positions=alibi",))
"""c4-fast with c4-tiny's positions, the record before c4-fast."""

BITS, NATS = "bits per hidden base", "nats per masked token"
FREQUENCIES = "the word pieces' frequencies in the training text"


@dataclass(frozen=True)
class Race:
    """The arms that take part, and how their speed is compared."""

    arms: tuple[Arm, ...]
    target: Arm = BERT
    """All arms are timed to what this one reaches in its whole budget."""
    before: Arm = TINY
    """The record so far: others must reach sooner what it reaches in its whole budget."""
    further: tuple[Arm, ...] = ()
    """What each of these, such as a peer at its best rate, reaches in its whole budget is a target too."""
    score: str = BITS
    floor: str = "the hidden bases' own composition"
    """The least that can be known; its score is printed beside the target."""
    changes: tuple[str, ...] = ()
    """Settings of every arm, besides its own."""


TEXT = Race((), target=TEXT_BERT, before=C4, further=(STRICT,), score=NATS, floor=FREQUENCIES)
RACES = {
    "race": Race(
        (
            BERT,
            *(at_rate(BERT_FREE, rate) for rate in (4e-4, 1e-3, 3e-3)),
            MOSAICBERT,
            *(at_rate(MOSAIC_FREE, rate) for rate in (5e-4, 1e-3, 3e-3)),
            TINY,
            MUON_30,
            ROTARY,
            FAST,
            QUARTER,
        )
    ),
    "logo": Race(
        (BERT, BERT_BEST, MOSAICBERT, MOSAIC_BEST, TINY, FAST),
        further=(BERT_BEST, MOSAICBERT, MOSAIC_BEST),
        changes=LOGO,
    ),
    "logo-rates": Race(
        (*(at_rate(BERT_FREE, rate) for rate in (4e-4, 1e-3, 3e-3)), FIFTH),
        target=BERT_BEST,
        before=BERT_BEST,
        further=(at_rate(BERT_FREE, 4e-4), at_rate(BERT_FREE, 1e-3)),
        changes=LOGO,
    ),
    "logo-mosaic": Race(
        (MOSAIC_PUBLISHED, at_rate(MOSAIC_FREE, 1e-3), MOSAIC_BEST, THIRD),
        target=MOSAIC_PUBLISHED,
        before=MOSAIC_PUBLISHED,
        further=(at_rate(MOSAIC_FREE, 1e-3), MOSAIC_BEST),
        changes=LOGO,
    ),
    "published": Race((BERT, MOSAICBERT, TINY, MUON_30, ROTARY, FAST, QUARTER)),
    "record": Race((BERT, BERT_BEST, TINY, ROTARY, FAST, QUARTER), before=ROTARY, further=(BERT_BEST, TINY)),
    "switches": Race(
        (
            BERT,
            TINY,
            Arm("30 % masked", "genome-tiny", (MORE,)),
            Arm("45 % masked", "genome-tiny", ("masking.mask_rate=0.45",)),
            Arm("muon, rate 0.01", "genome-tiny", (MUON,)),
            Arm("muon, rate 0.02", "genome-tiny", (MUON, "optimizer.muon_learning_rate=0.02")),
            Arm("muon, 30 % masked", "genome-tiny", (MUON, MORE)),
            Arm("muon, 45 % masked", "genome-tiny", (MUON, "masking.mask_rate=0.45")),
            Arm("muon, 45 %, 16 windows a step", "genome-tiny", (MUON, "masking.mask_rate=0.45", FEW)),
            Arm("30 %, 16 windows a step", "genome-tiny", (MORE, FEW)),
            Arm("muon, 30 %, 16 windows a step", "genome-tiny", (MUON, MORE, FEW)),
            MUON_30,
            Arm(
                "muon, 30 %, 16 windows a step, rate 0.005",
                "genome-tiny",
                (MUON, MORE, FEW, "optimizer.muon_learning_rate=0.005"),
            ),
            Arm("muon, 45 %, 4 layers", "genome-tiny", (MUON, "masking.mask_rate=0.45", "encoder.num_hidden_layers=4")),
        )
    ),
    "channels": Race(
        (EVERY_CHANNEL, FAST, changed(FAST, "in a quarter", "encoder.stem_fraction=0.25")),
        target=EVERY_CHANNEL,
        before=EVERY_CHANNEL,
    ),
    "layers": Race((TINY, FAST, ONE_LAYER), target=TINY, before=FAST),
    "stems": Race(
        (
            TINY,
            *(changed(TINY, f"stem of {width}", f"encoder.stem_width={width}") for width in (5, 9, 17, 33, 65)),
            FAST,
            changed(FAST, "rotary", "encoder.positions=rotary-directed"),
            changed(FAST, "plain ALiBi", "encoder.positions=alibi"),
            changed(FAST, "45 %", "masking.mask_rate=0.45"),
            changed(FAST, "32 windows a step", HALF),
            changed(FAST, "muon", MUON, "optimizer.muon_learning_rate=0.02"),
        ),
        target=TINY,
    ),
    "text": replace(TEXT, arms=(TEXT_BERT, STRICT, C4, C4_MUON, C4_ALIBI, C4_FAST)),
    "text-switches": replace(
        TEXT,
        arms=(
            TEXT_BERT,
            *(at_rate(TEXT_FREE, rate) for rate in (1e-4, 1e-3, 3e-3)),
            C4,
            Arm("rate 0.004", "c4-tiny", ("optimizer.learning_rate=4e-3",)),
            Arm("muon", "c4-tiny", (MUON,)),
            C4_MUON,
            Arm("8 documents a step", "c4-tiny", ("training.sequences_per_step=8",)),
            C4_ALIBI,
            changed(C4_ALIBI, "adamw's rate 0.004", "optimizer.learning_rate=4e-3"),
            changed(C4_ALIBI, "muon's rate 0.02", "optimizer.muon_learning_rate=0.02"),
            changed(C4_ALIBI, "15 % masked", "masking.mask_rate=0.15"),
            changed(C4_ALIBI, "45 % masked", "masking.mask_rate=0.45"),
            changed(C4_ALIBI, "4 layers", "encoder.num_hidden_layers=4"),
            changed(C4_ALIBI, "alibi-directed", "encoder.positions=alibi-directed"),
            Arm("rotary-directed", "c4-tiny", ("encoder.positions=rotary-directed",)),
            C4_FAST,
            changed(
                C4_FAST,
                "muon's rate 0.02, 16 documents a step",
                "optimizer.muon_learning_rate=0.02",
                "training.sequences_per_step=16",
            ),
        ),
    ),
}
"""All arms; all at LOGO's size, the peers at the best of those rates; at that size HF BERT at three rates, ours in a
fifth of the seconds; MosaicBERT's recipe likewise, ours in a third; without the search for rates; the record, the
one before it and the peer at its best rate; single switches without a stem; a stem in every channel, in half of them
and in a quarter; one layer against two; switches with a stem; all of text, and its switches."""
