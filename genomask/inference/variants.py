"""Variants in, log-likelihood ratios of ALT against REF out, zero-shot, by any masked model of k-mers, bases or words.

A base's probability is the evaluation's: all tokens that cover it are [MASK], each one's distribution over k-mers
is summed to the base, and these are averaged (training/bits.py). An allele's is the product over its bases, each given
the visible bases alone; `haplotypes.py` defines which. The ratio's logarithm, in nats, is the mean of both strands'.

Words of unequal length (BPE) are cut afresh around what is hidden: each flank is cut into words by itself, each hidden
base is one [MASK], and a word counts for the base that it begins with. So REF and ALT are one question, as with k-mers,
and the places of the cuts reveal nothing of either; with a vocabulary of single bases it is the rule above.

Letters: G windows, W bases of a window, S tokens of a window, T of all, M masked tokens, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from genomask.data.bases import base_codes
from genomask.data.packing import pack
from genomask.data.tokenizers.saved import as_dna
from genomask.data.vcf import Variant, is_spelt
from genomask.encoders import MosaicBertConfig
from genomask.errors import SettingsError, UserError
from genomask.inference.forward import token_budget
from genomask.inference.haplotypes import Change, Haplotype
from genomask.inference.hub import open_model
from genomask.inference.models import places_of
from genomask.inference.own_kmers import OwnKmers
from genomask.inference.sites import Place, Sites
from genomask.training.bits import SMALLEST_PROBABILITY, hidden_base_probabilities
from genomask.training.device import autocast, choose_device, scoring_precision
from genomask.training.evaluation_masks import covering_tokens
from genomask.types import TokenSequences

USUAL_TOKENS = 510
"""Tokens of a window where neither the user nor the model's run sets a number."""
SCORES_AT_ONCE = 1 << 26
"""Most logits that are computed together; one window always is."""
REACH = 3
"""Windows of sequence on each side of an insertion or deletion: it may move by one, and be at the end of another."""

NOT_THE_GENOME = "whose REF is not the genome's"
NOT_SPELT = "with letters other than A, C, G and T"


class Score(NamedTuple):
    """Score of one ALT, in nats: below 0 if ALT is less likely than REF; NaN, with a `reason`, if there is none."""

    llr: float
    reason: str = ""


class _Asked(NamedTuple):
    """A request for the probability of the bases hidden in a window."""

    window: int
    bases: np.ndarray


class _Questions:
    """Windows to ask the model about, each once: windows that differ only in the hidden bases are one question."""

    def __init__(self) -> None:
        self.windows: list[Haplotype] = []
        self._numbers: dict[tuple[int, int, bytes, bytes], int] = {}

    def ask(self, window: Haplotype) -> _Asked:
        codes, first, n = window
        key = (first, n, codes[:first].tobytes(), codes[first + n :].tobytes())
        if key not in self._numbers:
            self._numbers[key] = len(self.windows)
            self.windows.append(window)
        return _Asked(self._numbers[key], window.asked)


@dataclass(frozen=True, eq=False)
class VariantScorer:
    """A masked model, the genome that variants are on, and the bases that the model sees at once."""

    model: Any
    tokenizer: Any
    sites: Sites
    width: int

    @classmethod
    def open(cls, folder: Path, sites: Sites, width: int = 0) -> "VariantScorer":
        """The model of a folder on this machine's device; `width` 0: 510 tokens, or as many as the model takes.

        Raises UserError for a model whose tokens are not of DNA, and for a window that it does not take.
        """
        model, own = open_model(folder, head="masked-lm")
        if (tokenizer := as_dna(own) or OwnKmers.of(own)) is None:
            raise UserError(
                f"{folder}: variants are scored by models of k-mers, single bases, or words of a BPE of DNA; "
                f"this one's tokenizer is {type(own).__name__}."
            )
        tokens = tokenizer.token_bases
        most = _most_tokens(model, tokenizer)
        model.to(choose_device("auto"))  # type: ignore[arg-type]  # transformers wraps `to` and loses its types
        if not tokens.of_kmers:
            return cls(model, tokenizer, sites, width or int(tokenizer.bases_for(min(most, USUAL_TOKENS))))
        n_tokens = (width - tokens.k) // tokens.stride + 1 if width else min(most, USUAL_TOKENS)
        if not 1 <= n_tokens <= most:
            longest = tokens.stride * (most - 1) + tokens.k
            raise SettingsError(f"the window is {width:,} bases; {folder} takes {tokens.k} to {longest:,} at once.")
        return cls(model, tokenizer, sites, tokens.stride * (n_tokens - 1) + tokens.k)

    def scores(self, variants: Sequence[Variant]) -> list[list[Score]]:
        """A score for every ALT of every variant."""
        questions = _Questions()
        plans = [self._plans(variant, questions) for variant in variants]
        answers = self.log_probabilities(questions.windows)
        return [[Score(_ratio(plan, answers)) if isinstance(plan, list) else Score(np.nan, plan) for plan in each]
                for each in plans]  # fmt: skip

    def _plans(self, variant: Variant, questions: _Questions) -> list[list[tuple[_Asked, _Asked]] | str]:
        place = self.sites.place(variant)
        if place.fault:
            return [NOT_THE_GENOME] * len(variant.alts)
        return [self._plan(variant, alt, place, questions) for alt in variant.alts]

    def _plan(
        self, variant: Variant, alt: str, place: Place, questions: _Questions
    ) -> list[tuple[_Asked, _Asked]] | str:
        """REF and ALT on each strand; or why there is no score."""
        if not is_spelt(alt):
            return NOT_SPELT
        around = self.sites.stretch(place, self.width if len(alt) == len(variant.ref) else REACH * self.width)
        if around is None:
            return NOT_SPELT
        first, stretch = around
        start = place.start - first
        change = Change(stretch, start, stretch[start : start + len(variant.ref)], base_codes(alt))
        tokens, plan = self.tokenizer.token_bases, []
        for strand in (change, change.reverse_complement()):
            found = strand.haplotypes(self.width, tokens.k, tokens.stride)
            if isinstance(found, str):
                return found
            if found[0].n:  # else ALT is REF
                plan.append((questions.ask(found[0]), questions.ask(found[1])))
        return plan

    @torch.inference_mode()
    def log_probabilities(self, windows: Sequence[Haplotype]) -> list[np.ndarray]:
        """(n, 4) log-probabilities of the hidden bases of each window."""
        answers: list[np.ndarray] = [np.empty(0)] * len(windows)
        for part in self._batches(windows):
            by = self._by_kmers if self.tokenizer.token_bases.of_kmers else self._by_words
            logs = by([windows[at] for at in part]).clamp(min=SMALLEST_PROBABILITY).log().numpy()
            ends = np.cumsum([windows[at].n for at in part])[:-1]
            for at, found in zip(part, np.split(logs, ends), strict=True):
                answers[at] = found
        return answers

    def _batches(self, windows: Sequence[Haplotype]) -> Iterator[list[int]]:
        """Numbers of windows of one length that are computed together."""
        tokens, is_ours = self.tokenizer.token_bases, isinstance(self.model.config, MosaicBertConfig)
        budget = token_budget(self.model)
        order = sorted(range(len(windows)), key=lambda at: (len(windows[at].codes), windows[at].n))
        for length, group in groupby(order, key=lambda at: len(windows[at].codes)):
            n_tokens = (length - tokens.k) // tokens.stride + 3
            part: list[int] = []
            for at in group:
                masked = windows[at].n + tokens.k if is_ours else n_tokens  # at most; others compute all logits
                full = SCORES_AT_ONCE // (masked * self.model.config.vocab_size)
                if part and len(part) >= min(budget // n_tokens, full):
                    yield part
                    part = []
                part.append(at)
            yield part

    def _by_kmers(self, windows: Sequence[Haplotype]) -> Tensor:
        """(hidden bases of all windows, 4) on the CPU; the windows are of one length."""
        tokens = self.tokenizer.token_bases
        codes = np.stack([window.codes for window in windows])
        hidden = torch.zeros(codes.shape, dtype=torch.bool)
        for row, (_, first, n) in enumerate(windows):
            hidden[row, first : first + n] = True
        begin, end = (np.tile(np.array(each, dtype=np.int64), (len(codes), 1)) for each in self.tokenizer.ends)
        ids = torch.from_numpy(np.concatenate([begin, self.tokenizer.encode_bases(codes), end], axis=1))
        start, stop = tokens.places(ids)
        masked = covering_tokens(hidden, start, stop)
        logits = self._logits(pack(list(ids.masked_fill(masked, tokens.mask_id).numpy()), np.ones(len(ids))))
        return hidden_base_probabilities(logits, masked, start, hidden, tokens.kmer_ids).cpu()[hidden]

    def _by_words(self, windows: Sequence[Haplotype]) -> Tensor:
        """The same for words of any length; raises SettingsError for a window of more tokens than the model takes."""
        tokens, encode = self.tokenizer.token_bases, self.tokenizer.encode_bases
        begin, end = self.tokenizer.ends
        rows = [
            np.concatenate([begin, encode(codes[:first]), [tokens.mask_id] * n, encode(codes[first + n :]), end])
            for codes, first, n in windows
        ]
        longest, most = max(map(len, rows)) - 2, _most_tokens(self.model, self.tokenizer)
        if longest > most:
            raise SettingsError(
                f"a window of {self.width:,} bases makes {longest:,} tokens, and the model takes {most:,}; give a "
                "smaller --window."
            )
        logits = self._logits(pack([row.astype(np.int64) for row in rows], np.ones(len(rows))))
        words = tokens.maskable_ids.to(logits.device)
        begins_with = F.one_hot(tokens.letters[tokens.maskable_ids, 0].long(), 4).float().to(logits.device)
        return (logits[:, words].float().softmax(dim=-1) @ begins_with).cpu()

    def _logits(self, tokens: TokenSequences) -> Tensor:
        """(M, V) at the [MASK]s of packed sequences: ours packed, computing only these; another's in padded rows."""
        device = self.model.device
        ids = tokens.input_ids.to(device)
        masked = ids == self.tokenizer.token_bases.mask_id
        logits: Tensor
        with autocast(device, scoring_precision(device)):
            if isinstance(self.model.config, MosaicBertConfig):
                ends, longest = tokens.cu_seqlens.to(device), int(tokens.lengths.max())
                places = masked.nonzero().squeeze(1)
                logits = self.model(input_ids=ids, cu_seqlens=ends, max_seqlen=longest, masked_index=places).logits
            else:
                lengths = tokens.lengths.tolist()
                rows, at = (pad_sequence(list(x.split(lengths)), batch_first=True) for x in (ids, masked))
                there = torch.arange(rows.shape[1], device=device) < tokens.lengths.to(device)[:, None]
                logits = self.model(input_ids=rows, attention_mask=there.long()).logits[at]
        return logits


def _most_tokens(model: Any, tokenizer: Any) -> int:
    """Most tokens of a window, without the two special ones; ALiBi has no bound of its own."""
    places = places_of(model)
    return (1 << 20) if places is None else int(min(tokenizer.model_max_length, places)) - 2


def _ratio(plan: list[tuple[_Asked, _Asked]], answers: Sequence[np.ndarray]) -> float:
    """Mean over strands of ln p(ALT) - ln p(REF); 0 where both are the same bases."""
    ratios = [_log_probability(alt, answers) - _log_probability(ref, answers) for ref, alt in plan]
    return sum(ratios) / max(1, len(ratios))


def _log_probability(asked: _Asked, answers: Sequence[np.ndarray]) -> float:
    return float(answers[asked.window][np.arange(len(asked.bases)), asked.bases].sum())
