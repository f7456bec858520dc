from pathlib import Path

import pytest
import torch
from masking_tables import CLS, SEP, UNK, kmer_tokens, made_up_npmi, random_batch

from genomask.errors import DataError, SettingsError
from genomask.masking import build_strategy, corrupt

TOKENS = kmer_tokens(3)


def a_batch(**changes):
    input_ids, cu_seqlens, keys = random_batch(TOKENS, 3, 20)
    return {"input_ids": input_ids, "cu_seqlens": cu_seqlens, "keys": keys} | changes


MISFITS = {
    "keys are missing": {"keys": torch.arange(2)},
    "keys are too many": {"keys": torch.arange(9)},
    "bounds end too early": {"cu_seqlens": torch.tensor([0, 10, 20, 30])},
    "bounds end too late": {"cu_seqlens": torch.tensor([0, 10, 20, 10**6])},
    "bounds fall": {"cu_seqlens": torch.tensor([0, 40, 20, 60])},
    "bounds go beyond the tokens and come back": {"cu_seqlens": torch.tensor([0, 10**9, 20, 60])},
    "bounds start late": {"cu_seqlens": torch.tensor([5, 20, 40, 60])},
    "no bounds": {"cu_seqlens": torch.zeros(0, dtype=torch.int64)},
    "an id is beyond the vocabulary": {"input_ids": torch.full((60,), 69)},
    "an id is far beyond": {"input_ids": torch.full((60,), 10**12)},
    "an id is negative": {"input_ids": torch.full((60,), -100)},
    "ids are padded rows": {"input_ids": torch.zeros(3, 20, dtype=torch.int64)},
    "keys are of another type": {"keys": torch.arange(3, dtype=torch.int32)},
    "ids are of another type": {"input_ids": torch.zeros(60)},
}


def test_the_unchanged_batch_is_accepted():
    batch = a_batch()
    assert len(batch["input_ids"]) == 60
    assert len(TOKENS.maskable) == 69
    spans = build_strategy("contiguous", tokens=TOKENS, mask_rate=0.3).select(**batch)
    corrupt(spans=spans, tokens=TOKENS, **batch)


@pytest.mark.parametrize("misfit", MISFITS)
@pytest.mark.parametrize("name", ["contiguous", "random-span"])
def test_a_batch_that_does_not_fit_is_refused_before_anything_is_read(misfit, name):
    batch = a_batch(**MISFITS[misfit])
    with pytest.raises(DataError, match=r"^masking: "):
        build_strategy(name, tokens=TOKENS, mask_rate=0.3, match="none").select(**batch)
    for per in ("span", "token"):
        with pytest.raises(DataError, match=r"^masking: "):
            corrupt(spans=torch.zeros(60, dtype=torch.int32), tokens=TOKENS, per=per, **batch)


@pytest.mark.parametrize("spans", [torch.zeros(59, dtype=torch.int32), torch.zeros(60), torch.zeros(60).bool()])
def test_spans_that_are_not_those_of_the_batch_are_refused(spans):
    with pytest.raises(DataError, match=r"spans must be the \(60,\) numbers"):
        corrupt(spans=spans, tokens=TOKENS, **a_batch())


def test_bounds_may_be_padded_with_empty_sequences():
    strategy = build_strategy("random-span", tokens=TOKENS, mask_rate=0.3, match="none")
    batch = a_batch()
    padded = a_batch(cu_seqlens=torch.tensor([0, 20, 40, 60, 60, 60]))
    spans = strategy.select(**batch)
    assert strategy.select(**padded).equal(spans)
    for one, other in zip(
        corrupt(spans=spans, tokens=TOKENS, **batch), corrupt(spans=spans, tokens=TOKENS, **padded), strict=True
    ):
        assert one.equal(other)


OWN = """
from genomask.masking import hide_base, hide_bases, hide_token, mask_token, strategy, tokens_drawn

@strategy("all")
def mask_all(sequence):
    sequence.masked[:] = True

@strategy("nothing")
def nothing(sequence):
    pass

@strategy("fails")
def fails(sequence):
    return sequence.no_such_thing

@strategy("leaves")
def leaves(sequence):
    raise SystemExit("two\\nlines")

@strategy("divides", published=lambda rate, tokens: rate / 0)
def divides(sequence):
    pass

@strategy("runs-over")
def runs_over(sequence):
    for base in range(-20, 40):
        hide_base(sequence, base)
    hide_bases(sequence, -5, 99)

@strategy("beyond")
def beyond(sequence):
    mask_token(sequence, 1000)
    sequence.hidden[1000] = True

@strategy("tokens-beyond")
def tokens_beyond(sequence):
    for t in (-6, -1, len(sequence.start), len(sequence.start) + 1, 10**9):
        hide_token(sequence, t)

@strategy("drawn")
def drawn(sequence):
    for t, is_drawn in enumerate(tokens_drawn(sequence)):
        sequence.masked[t] = is_drawn

@strategy("interpreted")
def interpreted(sequence, *, words: str = "x"):
    drawn = {t: [words] for t in range(len(sequence.masked)) if tokens_drawn(sequence)[t]}
    for t in drawn:
        mask_token(sequence, t)

@strategy("scribbles")
def scribbles(sequence):
    drawn = tokens_drawn(sequence)
    sequence.input_ids[:] = 11
    sequence.start[:] += 10**9
    sequence.n_bases[:] = -5
    sequence.maskable[:] = True
    sequence.vocabulary.maskable[:] = True
    sequence.vocabulary.n_bases[:] = 10**9
    sequence.scores[:] = 0
    for t in range(len(drawn)):
        sequence.masked[t] = drawn[t]
    hide_base(sequence, 3)

@strategy("scribbles-interpreted")
def scribbles_interpreted(sequence):
    eval("0")
    scribbles(sequence)

@strategy("writes-marks-alone")
def writes_marks_alone(sequence):
    for t, is_drawn in enumerate(tokens_drawn(sequence)):
        sequence.masked[t] = is_drawn
    hide_base(sequence, 3)

@strategy("half")
def half(sequence):
    for t in range(0, len(sequence.masked), 2):
        mask_token(sequence, t)
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(OWN)
    return path


def select_own(own, name):
    ids = torch.tensor([CLS, 10, 11, UNK, 12, SEP])
    strategy = build_strategy(f"{own}:{name}", tokens=TOKENS, mask_rate=0.15, match="none")
    return strategy.select(ids, torch.tensor([0, 6]), torch.tensor([1]))


def test_a_strategy_of_ones_own_never_masks_special_tokens_or_those_over_n(own):
    assert select_own(own, "all").tolist() == [0, 1, 1, 0, 2, 0]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fails", "masking strategy 'fails' fails on a sequence: AttributeError: .*no_such_thing"),
        ("leaves", "masking strategy 'leaves' fails on a sequence: SystemExit: two lines$"),
        ("divides", "masking strategy 'divides' fails in its formula: ZeroDivisionError"),
        ("beyond", "masking strategy 'beyond' fails on a sequence: IndexError"),
    ],
)
def test_a_strategy_of_ones_own_that_goes_wrong_is_named(own, name, sentence):
    with pytest.raises(SettingsError, match=sentence):
        select_own(own, name)


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("published=lambda rate, tokens: rate - 0.2", "ValueError: it returns -0.05, not a number from 0 to"),
        ("published=lambda rate, tokens: float('nan')", "ValueError: it returns nan, not a number"),
        ("published=lambda rate, tokens: float('inf')", "ValueError: it returns inf, not a number"),
        ("published=lambda rate, tokens: None", "TypeError: float"),
        ("exact=lambda rate, tokens: 8 * rate", "ValueError: it returns 1.2, not a number from 0 to 1"),
        ("exact=lambda rate, tokens: rate - 1", "ValueError: it returns -0.85, not a number from 0 to 1"),
        ("exact=lambda rate, tokens: 'x'", "ValueError: could not convert string to float: 'x'"),
        (
            "visible=lambda p, n, tokens: 1 - p",
            r"ValueError: it must return an array of shape \(4000,\) without nan, got shape \(\)",
        ),
        ("visible=lambda p, n, tokens: [p * float('nan')] * n", "ValueError: it must return an array .* without nan"),
        ("needs=['npmi'], scores=lambda npmi, counts: npmi[:10]", r"of shape \(64,\) without nan, got shape \(10,\)"),
        ("needs=['npmi'], scores=lambda npmi, counts: 'x'", "ValueError: could not convert string to float: 'x'"),
    ],
)
def test_a_formula_of_ones_own_that_returns_no_valid_number_is_named(tmp_path, formula, sentence):
    file = tmp_path / "own.py"
    file.write_text(
        f"from genomask.masking import strategy\n\n@strategy('mine', {formula})\ndef mine(sequence): pass\n"
    )
    with pytest.raises(SettingsError, match=f"masking strategy 'mine' fails in its formula: .*{sentence}"):
        build_strategy(f"{file}:mine", tokens=TOKENS, mask_rate=0.15, npmi=made_up_npmi(3))


def test_hiding_beyond_the_ends_of_a_sequence_has_no_effect(own):
    assert select_own(own, "runs-over").tolist() == select_own(own, "all").tolist()
    assert select_own(own, "tokens-beyond").tolist() == select_own(own, "nothing").tolist() == [0] * 6


@pytest.mark.parametrize("name", ["scribbles", "scribbles-interpreted"])
def test_a_strategy_of_ones_own_changes_only_its_marks(own, name):
    """Whatever it writes to, it masks by the original batch and vocabulary, and leaves them unchanged."""
    batch, rates = a_batch(), {"mask_rate": 0.15, "match": "none"}
    before, tokens = batch["input_ids"].clone(), kmer_tokens(3)
    for _ in range(2):
        spans = build_strategy(f"{own}:{name}", tokens=tokens, **rates).select(**batch)
        assert spans.equal(build_strategy(f"{own}:writes-marks-alone", tokens=TOKENS, **rates).select(**batch))
    assert batch["input_ids"].equal(before)
    for table in ("maskable", "n_bases"):
        assert getattr(tokens, table).equal(getattr(TOKENS, table))


def test_a_strategy_that_cannot_be_compiled_is_interpreted_and_reported(own, caplog):
    caplog.set_level("INFO")
    rates = {"tokens": TOKENS, "mask_rate": 0.3, "match": "none"}
    interpreted, compiled = (build_strategy(f"{own}:{name}", **rates) for name in ("interpreted", "drawn"))
    batch = a_batch()
    assert interpreted.select(**batch).equal(compiled.select(**batch))
    assert "'interpreted' is interpreted, not compiled" in caplog.text
    assert "'drawn'" not in caplog.text


@pytest.mark.parametrize("rate", [0, 1])
def test_rates_0_and_1_are_literal_or_refused_for_a_strategy_of_ones_own(own, rate):
    strategy = build_strategy(f"{own}:drawn", tokens=TOKENS, mask_rate=rate)
    ids, cu_seqlens, keys = torch.tensor([CLS, 10, 12, 13, 12, SEP]), torch.tensor([0, 6]), torch.tensor([1])
    assert (strategy.select(ids, cu_seqlens, keys) > 0).tolist() == [False, *[bool(rate)] * 4, False]
    with pytest.raises(SettingsError, match=rf"'half' cannot give {100 * rate} % of the tokens .*the nearest is 50 %"):
        build_strategy(f"{own}:half", tokens=TOKENS, mask_rate=rate)
