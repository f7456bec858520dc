"""Scores on held-out sequences: token loss under the run's own mask, and bits per hidden base under fixed masks.

Letters: W windows, L bases of a window, M masked tokens, T packed tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from genomask.errors import SettingsError, counted
from genomask.hashing import make_keys
from genomask.masking import Strategy
from genomask.training import distributed
from genomask.training.baselines import Baselines, entropy_nats, markov_bits, order_0_fractions
from genomask.training.batches import Batches, Masked, cut, mask
from genomask.training.bits import BitsPerBase, bits_per_base, hidden_base_probabilities
from genomask.training.device import autocast
from genomask.training.evaluation_masks import ITEM_LENGTHS, covering_tokens, hidden_bases
from genomask.training.step import loss_sum
from genomask.types import IGNORE, PackedBatch, TokenBases, TokenSequences

EVALUATION_STEP = -1
"""The step in the keys of evaluation masks, so that they differ from every training step's."""

WINDOWS_AT_ONCE = 16
"""Windows scored together, about a small microbatch; bounds the (M, 4**k) distributions held at once."""


class Part(NamedTuple):
    """Some of the windows, and their masked batches."""

    windows: slice
    token_batches: slice


@dataclass(frozen=True)
class Evaluation:
    """Everything that is scored, fixed for the run."""

    token_batches: list[PackedBatch]
    hidden: dict[str, Tensor]  # (W, L) bool for each pass; empty if ids are not k-mers
    codes: Tensor  # (W, L) uint8 true bases; (0, 0) if ids are not k-mers
    repeats: Tensor  # (W, L) bool, soft-masked bases; (0, 0) if ids are not k-mers
    input_ids: Tensor  # (W, tokens with specials) int64; (0, 0) if ids are not k-mers
    tokens: TokenBases
    baselines: Baselines
    genomes: dict[str, Part]  # by name; empty if there is only one

    def only(self, part: Part) -> "Evaluation":
        """The same for one part alone."""
        rows = part.windows
        return replace(
            self,
            token_batches=self.token_batches[part.token_batches],
            hidden={item: hidden[rows] for item, hidden in self.hidden.items()},
            codes=self.codes[rows],
            repeats=self.repeats[rows],
            input_ids=self.input_ids[rows],
            genomes={},
        )


def prepare_evaluation(how: Batches, strategy: Strategy, six_mer_counts: np.ndarray | None) -> Evaluation:
    """Mask the held-out sequences once by `strategy`, with keys of the seed alone, and compute the baselines.

    six_mer_counts: (4**6,) of the training part, for the Markov floor; None for text.
    """
    source, tokens = how.source, how.source.token_bases
    sequences = source.validation()
    keys = torch.from_numpy(make_keys(how.seed, EVALUATION_STEP, np.arange(len(sequences.lengths))))
    hidden_tokens = mask(sequences, keys, strategy, tokens=tokens, corruption=how.corruption)
    bases = source.validation_bases
    batches, genomes = _cut_by_genome(how, sequences, hidden_tokens, bases.genomes if bases else {})
    masked = hidden_tokens.labels[hidden_tokens.labels != IGNORE]
    if len(masked) == 0:
        raise SettingsError(
            f"no token is masked in the {counted(len(sequences.lengths), 'held-out sequence')}, so there is nothing to "
            "score; raise evaluation.mask_rate, hold out more, or train on more."
        )
    entropy = entropy_nats(masked)
    probability = float(np.log(int(tokens.maskable.sum())))
    if bases is None or not tokens.of_kmers:  # the probabilities of other tokens do not sum to those of a base
        empty = torch.zeros(0, 0, dtype=torch.int64)
        return Evaluation(batches, {}, empty, empty.bool(), empty, tokens, Baselines(probability, entropy), genomes)
    assert six_mer_counts is not None
    codes, repeats = map(torch.from_numpy, (bases.codes, bases.repeats))
    hidden = {item: hidden_bases(keys, codes.shape[1], item) for item in ITEM_LENGTHS}
    order_0 = {item: bits_per_base(order_0_fractions(codes, hidden[item]), hidden[item]).mean for item in hidden}
    order_5 = {item: markov_bits(codes, hidden[item], six_mer_counts).mean for item in hidden}
    masks = hidden_tokens.account
    hidden_per_token = masks.bases_hidden * tokens.tokens_over_a_base / max(1, masks.tokens_masked)
    baselines = Baselines(
        ln_vocabulary_nats=probability,
        unigram_entropy_nats=entropy,
        flank_floor_nats=hidden_per_token * _mean(order_0) * float(np.log(2)),
        order_0_bits=_mean(order_0),
        order_0_bits_single=order_0["single"],
        order_0_bits_six=order_0["six"],
        order_5_bits=_mean(order_5),
        order_5_bits_single=order_5["single"],
        order_5_bits_six=order_5["six"],
        window_bases=codes.shape[1],
    )
    ids = sequences.input_ids.view(len(codes), -1)
    return Evaluation(batches, hidden, codes, repeats, ids, tokens, baselines, genomes)


def _cut_by_genome(
    how: Batches, sequences: TokenSequences, masked: Masked, genomes: Mapping[str, slice]
) -> tuple[list[PackedBatch], dict[str, Part]]:
    """Batches of the masked sequences, each of several genomes apart, and where each genome's are."""
    # validation windows may be longer than any in training
    budget = max(how.tokens_per_microbatch, int(sequences.lengths.max()))
    batches: list[PackedBatch] = []
    found = {}
    for name, windows in (genomes or {"": slice(None)}).items():
        first = len(batches)
        batches += cut(sequences, masked, budget, windows)
        found[name] = Part(windows, slice(first, len(batches)))
    return batches, found if genomes else {}


@torch.inference_mode()
def evaluate(model: nn.Module, evaluation: Evaluation, device: torch.device, precision: str) -> dict[str, float]:
    """The evaluation row of metrics.jsonl; the model keeps its mode.

    Several processes score a part each, and all get the row that one alone would, because all decide by it.
    """
    was_training = model.training
    model.eval()
    losses = _losses(model, evaluation.token_batches, device, precision)
    fractions = {item: _pass(model, evaluation, item, device, precision) for item in evaluation.hidden}
    row = _row(evaluation, losses, fractions) | _repeats_apart(evaluation, fractions)
    for name, part in evaluation.genomes.items():
        own = {item: of_pass[part.windows] for item, of_pass in fractions.items()}
        apart = _row(evaluation.only(part), losses[part.token_batches], own)
        row |= {f"{metric}_of_{name}": value for metric, value in apart.items()}
    model.train(was_training)
    return row


def _row(evaluation: Evaluation, losses: Tensor, fractions: dict[str, Tensor]) -> dict[str, float]:
    """Token loss and bits of all that is scored, from the losses' sums (batches,) and the passes' fractions (W, L)."""
    n_masked = sum(len(batch.masked_index) for batch in evaluation.token_batches)
    row: dict[str, float] = {"eval_loss_nats_per_masked_token": sum(losses.tolist()) / max(1, n_masked)}
    scores = {item: _scores(evaluation, item, of_pass) for item, of_pass in fractions.items()}
    for item, (score, _) in scores.items():
        row |= _with_error(f"eval_bits_per_hidden_base_{item}", score.mean, score)
    for item, (_, gain) in scores.items():
        row |= _with_error(f"eval_bits_below_order_0_{item}", -gain.mean, gain)
        row[f"eval_hidden_bases_{item}"] = gain.n_bases
    if scores:
        row["eval_bits_per_hidden_base"] = _mean({item: score.mean for item, (score, _) in scores.items()})
        row["eval_bits_below_order_0"] = -_mean({item: gain.mean for item, (_, gain) in scores.items()})
    return row


def _with_error(name: str, value: float, score: BitsPerBase) -> dict[str, float]:
    """The value by its name and, if there is one, the standard error of the score that it is or comes from."""
    return {name: value} | ({} if score.standard_error is None else {f"{name}_standard_error": score.standard_error})


def _losses(model: nn.Module, batches: list[PackedBatch], device: torch.device, precision: str) -> Tensor:
    """(batches,) float64 nats of all masked tokens; held-out tokens count alike, whatever their weight in training."""
    losses = torch.zeros(len(batches), dtype=torch.float64)
    for number in distributed.mine(len(batches)):
        ones = batches[number]._replace(loss_weights=torch.ones_like(batches[number].loss_weights)).to(device)
        losses[number] = float(loss_sum(model, ones, device, precision))
    return distributed.add_up(losses)


def _pass(model: nn.Module, evaluation: Evaluation, item: str, device: torch.device, precision: str) -> Tensor:
    """(W, L) float64, the model's fraction of the true base where the pass hides it, 0 elsewhere."""
    hidden = evaluation.hidden[item]
    fractions, parts = torch.zeros(hidden.shape, dtype=torch.float64), list(_slices(len(hidden)))
    for number in distributed.mine(len(parts)):
        scored = _fractions(model, evaluation, parts[number], item, device, precision)
        fractions[parts[number]] = scored.view(-1, hidden.shape[1])
    distributed.add_up(fractions)  # each item is one process's, 0 elsewhere: the sum is exact
    return fractions


def _scores(evaluation: Evaluation, item: str, fractions: Tensor) -> tuple[BitsPerBase, BitsPerBase]:
    """Bits of the model, and bits of the model minus those of order 0, base by base."""
    hidden = evaluation.hidden[item]
    order_0 = order_0_fractions(evaluation.codes, hidden)
    return bits_per_base(fractions, hidden), bits_per_base(fractions / order_0, hidden)


def _repeats_apart(evaluation: Evaluation, fractions: dict[str, Tensor]) -> dict[str, float]:
    """The bits of hidden bases in soft-masked repeats, and of the rest, for each pass and their mean.

    A part in which a pass hides nothing has no score; if nothing is soft-masked, neither part has one.
    """
    row: dict[str, float] = {}
    parts = {"repeats": evaluation.repeats, "rest": ~evaluation.repeats} if evaluation.repeats.any() else {}
    for part, within in parts.items():
        scores = {item: bits_per_base(fractions[item], within & hidden) for item, hidden in evaluation.hidden.items()}
        if not all(score.n_bases for score in scores.values()):
            continue
        for item, score in scores.items():
            row |= _with_error(f"eval_bits_per_hidden_base_{item}_{part}", score.mean, score)
            row[f"eval_hidden_bases_{item}_{part}"] = score.n_bases
        row[f"eval_bits_per_hidden_base_{part}"] = _mean({item: score.mean for item, score in scores.items()})
    return row


def _fractions(
    model: nn.Module, evaluation: Evaluation, part: slice, item: str, device: torch.device, precision: str
) -> Tensor:
    """(windows x L,) mean fraction of the true base for the windows in `part`, 0 where nothing is hidden."""
    tokens, hidden, codes = evaluation.tokens, evaluation.hidden[item][part], evaluation.codes[part]
    start, stop = tokens.places(evaluation.input_ids[part])
    masked = covering_tokens(hidden, start, stop)
    input_ids = torch.where(masked, tokens.mask_id, evaluation.input_ids[part])
    windows, length = input_ids.shape
    cu_seqlens = torch.arange(0, windows * length + 1, length, dtype=torch.int32)
    with autocast(device, precision):
        logits = model(
            input_ids=input_ids.flatten().to(device),
            cu_seqlens=cu_seqlens.to(device),
            max_seqlen=length,
            masked_index=masked.flatten().nonzero().squeeze(1).to(device),
        ).logits
    probabilities = hidden_base_probabilities(logits, masked, start, hidden, tokens.kmer_ids)
    return probabilities.gather(2, codes[..., None].to(device, torch.int64)).flatten().cpu()


def _slices(n: int) -> Iterator[slice]:
    return (slice(at, min(n, at + WINDOWS_AT_ONCE)) for at in range(0, n, WINDOWS_AT_ONCE))


def _mean(values: dict[str, float]) -> float:
    return sum(values.values()) / len(values)
