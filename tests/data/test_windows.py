import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import covered, genome_of, random_sequence
from scipy.stats import binomtest, chisquare

from genomask.data import validation_windows
from genomask.data.genome import Genome
from genomask.data.intervals import longest
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.validation_windows import EVALUATION_BASES
from genomask.data.windows import GenomeWindows, WindowSettings, read_window
from genomask.errors import SettingsError

sequences = st.lists(
    st.lists(
        st.one_of(st.text("ACGTacgt", min_size=1, max_size=30), st.text("Nn", min_size=1, max_size=5)), max_size=8
    ),
    min_size=1,
    max_size=4,
).map(lambda records: ["".join(parts) or "A" for parts in records])


@settings(deadline=None, max_examples=150)
@given(
    sequences=sequences,
    k=st.integers(1, 6),
    overlapping=st.booleans(),
    max_tokens=st.integers(1, 12),
    validation=st.integers(0, 3),
    holdout=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
    first=st.integers(0, 2**62),
)
def test_windows_never_hold_n_or_cross_records_or_touch_holdout_or_validation(
    sequences, k, overlapping, max_tokens, validation, holdout, seed, first
):
    genome = genome_of(*sequences)
    stride = 1 if overlapping else k
    chosen = WindowSettings(
        max_tokens=max_tokens,
        min_tokens=1,
        holdout=("r0:1-1",) if holdout else (),
        validation_windows=validation,
        strand="both",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation_windows, "EVALUATION_BASES", 3)
        try:
            drawn = GenomeWindows(genome, chosen, KmerTokenizer(k, stride), seed)
        except SettingsError:
            held_out = genome_of(*sequences).runs.copy()
            held_out[:1, 0] += int(holdout and genome.codes[0] < 4)
            assert longest(held_out) < stride * (max_tokens - 1) + k
            return
    batch = drawn.train(first, 50)
    forbidden = genome.codes == 4
    forbidden[0] |= holdout
    forbidden |= covered(drawn.validation_starts, [3] * len(drawn.validation_starts), genome.codes.size)
    assert forbidden[drawn.validation_starts].all()
    n_tokens = (batch.lengths - k) // stride + 1
    assert ((batch.lengths - k) % stride == 0).all()
    assert n_tokens.min() >= 1
    assert n_tokens.max() <= max_tokens
    for start, length in zip(batch.starts, batch.lengths, strict=True):
        assert not forbidden[start : start + length].any()
        assert np.searchsorted(genome.offsets, start, "right") == np.searchsorted(
            genome.offsets, start + length - 1, "right"
        )
    assert drawn.training.tolist() == [[a, b] for a, b in drawn.training.tolist() if a < b and not forbidden[a:b].any()]
    assert covered(*drawn.training.T[:1], np.diff(drawn.training)[:, 0], genome.codes.size).sum() == (~forbidden).sum()


@settings(deadline=None, max_examples=50)
@given(
    first=st.integers(0, 2**40),
    count=st.integers(1, 40),
    inner=st.integers(0, 39),
    repeats=st.sampled_from(["keep", "skip", "weight"]),
)
def test_a_window_is_the_same_asked_for_alone_or_in_any_range(first, count, inner, repeats):
    genome = genome_of(random_sequence(3000, 1) + random_sequence(1000, 2).lower(), random_sequence(500, 3))
    chosen = WindowSettings(max_tokens=50, strand="both", repeats=repeats, validation_windows=2)
    batch = GenomeWindows(genome, chosen, KmerTokenizer(6), seed=5).train(first, count)
    inner %= count
    alone = GenomeWindows(genome, chosen, KmerTokenizer(6), seed=5).train(first + inner, 1)
    assert [field[inner] for field in batch] == [field[0] for field in alone]


def test_the_stream_follows_the_seed_and_known_answers_hold():
    genome = genome_of(random_sequence(5000, 1))
    chosen = WindowSettings(max_tokens=100, strand="both", validation_windows=0)
    batch = GenomeWindows(genome, chosen, KmerTokenizer(6), seed=5).train(0, 6)
    assert batch.starts.tolist() == [2683, 2698, 2911, 3889, 3833, 2333]
    assert batch.lengths.tolist() == [105, 51, 105, 105, 105, 105]
    assert batch.reverse.tolist() == [False, True, True, False, True, False]
    assert batch.starts.tolist() != GenomeWindows(genome, chosen, KmerTokenizer(6), seed=6).train(0, 6).starts.tolist()


def test_every_valid_start_is_equally_likely_at_every_length():
    text = "ACGTACGTAC" + "N" * 3 + "ACGTACG" + "NN" + "ACGTACGTACGTACG"
    genome = genome_of(text, "ACGTA" * 4)
    drawn = GenomeWindows(
        genome, WindowSettings(max_tokens=8, min_tokens=2, validation_windows=0), KmerTokenizer(3), seed=0
    )
    batch = drawn.train(0, 60_000)
    for length in (4, 7, 10):
        starts = batch.starts[batch.lengths == length]
        valid = [a for r0, r1 in genome.runs for a in range(r0, r1 - length + 1)]
        values, counts = np.unique(starts, return_counts=True)
        assert values.tolist() == valid
        assert chisquare(counts).pvalue > 1e-4


def test_half_of_the_windows_are_full_and_the_rest_uniform_in_length():
    genome = genome_of(random_sequence(3000, 1))
    drawn = GenomeWindows(
        genome, WindowSettings(max_tokens=24, min_tokens=5, validation_windows=0), KmerTokenizer(2, 2), seed=0
    )
    tokens = (drawn.train(0, 40_000).lengths - 2) // 2 + 1
    assert drawn.max_bases == 48
    counts = np.bincount(tokens, minlength=25)[5:]
    expected = np.full(20, 1000)
    expected[-1] += 20_000
    assert chisquare(counts, expected).pvalue > 1e-4


@pytest.mark.parametrize("full_fraction", [0.0, 1.0])
def test_full_fraction_one_gives_only_full_windows_and_zero_gives_every_length(full_fraction):
    chosen = WindowSettings(max_tokens=20, min_tokens=19, full_fraction=full_fraction, validation_windows=0)
    lengths = GenomeWindows(genome_of(random_sequence(500, 1)), chosen, KmerTokenizer(1), seed=0).train(0, 1000).lengths
    assert set(lengths.tolist()) == ({20} if full_fraction else {19, 20})


def test_the_strand_is_forward_or_a_fair_coin_that_leaves_the_place_alone():
    genome = genome_of(random_sequence(2000, 1))
    forward, both = (
        GenomeWindows(genome, WindowSettings(max_tokens=50, strand=strand), KmerTokenizer(6), seed=1).train(0, 4000)
        for strand in ("forward", "both")
    )
    assert not forward.reverse.any()
    assert binomtest(int(both.reverse.sum()), 4000).pvalue > 1e-4
    assert both.starts.tolist() == forward.starts.tolist()
    assert abs(np.corrcoef(both.starts, both.reverse)[0, 1]) < 0.08


def test_a_window_reads_as_itself_or_as_its_reverse_complement():
    genome = genome_of("AACGTNC")
    assert read_window(genome, 1, 5, False).tolist() == [0, 1, 2, 3, 4]
    assert read_window(genome, 1, 6, True).tolist() == [2, 4, 0, 1, 2, 3]
    window = read_window(genome, 0, 3, False)
    window[:] = 3  # a copy
    assert genome.codes[:3].tolist() == [0, 0, 1]


def test_validation_takes_an_eighth_at_most_and_says_so(caplog):
    caplog.set_level(logging.WARNING)
    genome = genome_of(random_sequence(40_800, 1), random_sequence(510, 2))
    drawn = GenomeWindows(genome, WindowSettings(), KmerTokenizer(6), seed=0)
    assert len(drawn.validation_starts) == 10
    assert "10 validation windows of 510 bases instead of 2560" in caplog.text
    caplog.clear()
    assert (
        len(GenomeWindows(genome, WindowSettings(validation_windows=7), KmerTokenizer(6), seed=0).validation_starts)
        == 7
    )
    assert caplog.text == ""


def test_validation_depends_on_seed_and_usable_bases_but_not_on_the_windows():
    genome = genome_of(random_sequence(100_000, 1))
    first = GenomeWindows(genome, WindowSettings(), KmerTokenizer(6), seed=0)
    other = GenomeWindows(
        genome, WindowSettings(max_tokens=64, strand="both", repeats="weight"), KmerTokenizer(3, 3), seed=0
    )
    assert first.validation_starts.tolist() == other.validation_starts.tolist()
    third = GenomeWindows(genome, WindowSettings(), KmerTokenizer(6), seed=1)
    assert first.validation_starts.tolist() != third.validation_starts.tolist()


def test_holding_out_keeps_records_and_parts_from_training_and_validation():
    genome = genome_of(random_sequence(20_000, 1), random_sequence(30_000, 2), random_sequence(25_000, 3))
    drawn = GenomeWindows(genome, WindowSettings(holdout=("r1", "r2:1,001-20,000")), KmerTokenizer(6), seed=0)
    forbidden = covered([20_000, 51_000], [30_000, 19_000], 75_000)
    validation = covered(drawn.validation_starts, [EVALUATION_BASES] * len(drawn.validation_starts), 75_000)
    training = covered(drawn.training[:, 0], np.diff(drawn.training)[:, 0], 75_000)
    assert len(drawn.validation_starts) == 6  # 26,000 usable bases, an eighth of them
    assert not (forbidden & (validation | training)).any()
    assert not (validation & training).any()
    assert (forbidden | validation | training).all()


def test_an_unknown_record_to_hold_out_is_refused():
    with pytest.raises(SettingsError, match=r"no record 'chrX'\. Its records are: r0, r1"):
        GenomeWindows(
            genome_of("ACGT" * 300, "ACGT" * 300), WindowSettings(holdout=("chrX",)), KmerTokenizer(6), seed=0
        )


def test_a_genome_shorter_than_one_window_is_refused_with_the_length_that_would_do():
    genome = genome_of(random_sequence(400, 1) + "N" + random_sequence(300, 2))
    with pytest.raises(SettingsError) as caught:
        GenomeWindows(genome, WindowSettings(), KmerTokenizer(6), seed=0)
    assert str(caught.value) == (
        "the genome is shorter than one window: its longest run of ACGT has 400 bases, and windows.max_tokens = 510 "
        "needs 515. Set windows.max_tokens to at most 395, or give a longer genome."
    )
    fitting = GenomeWindows(genome, WindowSettings(max_tokens=395), KmerTokenizer(6), seed=0)
    assert fitting.max_bases == 400
    with pytest.raises(SettingsError, match="that hold-out, include and exclude leave has 300 bases"):
        GenomeWindows(genome, WindowSettings(max_tokens=395, holdout=("r0:1-400",)), KmerTokenizer(6), seed=0)
    with pytest.raises(SettingsError, match=r"Give a longer genome\.$"):
        GenomeWindows(genome_of("ACG"), WindowSettings(), KmerTokenizer(6), seed=0)


def test_a_small_genome_gives_one_validation_window_and_none_where_training_would_not_fit(
    shared_data, tmp_path, caplog
):
    phix = Genome.open(shared_data / "genomes" / "tiny" / "phiX174.NC_001422.1.fa.gz", cache=tmp_path)
    drawn = GenomeWindows(phix, WindowSettings(max_tokens=128), KmerTokenizer(6), seed=0)
    assert len(drawn.validation_starts) == 1
    assert np.diff(drawn.training).sum() == 5386 - EVALUATION_BASES
    assert (
        len(GenomeWindows(genome_of("ACGT" * 135), WindowSettings(), KmerTokenizer(6), seed=0).validation_starts) == 0
    )
    assert "0 validation windows" in caplog.text


@pytest.mark.parametrize("seed", range(30))
def test_validation_may_leave_training_a_single_window_and_no_more(seed):
    genome = genome_of(random_sequence(510, 1), random_sequence(3_600, 2))
    drawn = GenomeWindows(genome, WindowSettings(max_tokens=3_600), KmerTokenizer(1), seed=seed)
    assert drawn.validation_starts.tolist() == [0]
    assert drawn.training.tolist() == [[510, 4_110]]


@pytest.mark.parametrize("seed", range(30))
def test_validation_makes_way_for_the_only_window_that_a_run_can_train_on(seed):
    genome = genome_of(random_sequence(4_200, 1))
    drawn = GenomeWindows(genome, WindowSettings(max_tokens=3_600), KmerTokenizer(1), seed=seed)
    assert len(drawn.validation_starts) == 1
    assert (drawn.training[:, 1] - drawn.training[:, 0]).max() >= 3_600


CONTIGS = [random_sequence(300, i) for i in range(60)]


@pytest.mark.parametrize(
    ("sequences", "holdout", "windows", "bases"),
    [
        (CONTIGS, (), 8, 256),  # each shorter than 510; an eighth of 18,000 bases
        (["N".join(CONTIGS)], (), 8, 256),
        ([random_sequence(600, 1), *CONTIGS], (), 1, 510),
        ([random_sequence(1000, 1), *CONTIGS[:40]], ("r0:301-700",), 6, 256),  # the hold-out leaves pieces of 300
        ([random_sequence(n, n) for n in range(100, 140)], (), 4, 128),
        ([random_sequence(60, n) for n in range(9)], (), 0, 64),
        ([random_sequence(4_080, 1)], (), 1, 510),
        ([random_sequence(4_000, 1)], (), 1, 448),  # an eighth of it is less than 510
        ([random_sequence(700, 1)], (), 1, 64),
    ],
)
def test_where_510_bases_do_not_fit_validation_windows_are_shorter(sequences, holdout, windows, bases, caplog):
    drawn = GenomeWindows(
        genome_of(*sequences), WindowSettings(max_tokens=50, holdout=holdout), KmerTokenizer(6), seed=0
    )
    assert (len(drawn.validation_starts), drawn.validation_bases) == (windows, bases)
    assert (
        f"{windows} validation window{'' if windows == 1 else 's'} of {bases} bases instead of 2560 of 510"
        in caplog.text
    )
    held_out = covered(drawn.validation_starts, [bases] * windows, sum(map(len, sequences)))
    assert not (held_out & covered(drawn.training[:, 0], np.diff(drawn.training)[:, 0], len(held_out))).any()


def test_positions_beyond_four_gigabases_are_windows_like_any_other():
    size = 10**10
    genome = Genome(
        codes=np.broadcast_to(np.uint8(2), (size,)),  # one byte that looks like ten thousand million
        names=["huge"],
        offsets=np.array([0, size]),
        runs=np.array([[2**32 - 1000, 2**32 + 1000], [2**33, size]]),
        repeats=np.array([[2**33, 2**33 + 10**9]]),
        fingerprint="",
    )
    drawn = GenomeWindows(
        genome, WindowSettings(repeats="skip", holdout=("huge:9,000,000,001-9,500,000,000",)), KmerTokenizer(6), 0
    )
    batch = drawn.train(2**40, 5000)
    assert batch.starts.dtype == np.int64
    inside = (batch.starts >= 2**33) & (batch.starts + batch.lengths <= size)
    assert inside.mean() > 0.999
    assert (batch.starts[inside] >= 2**33 + 10**9 - 515).all()
    assert not ((batch.starts < 9_500_000_000) & (batch.starts + batch.lengths > 9_000_000_000)).any()
    assert read_window(genome, int(batch.starts.max()), 5, True).tolist() == [1] * 5


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"min_tokens": 0}, "windows.min_tokens must be between 1 and windows.max_tokens"),
        ({"max_tokens": 4}, r"windows.min_tokens must be .* \(here 4\), got 5"),
        ({"full_fraction": 1.5}, "windows.full_fraction must be at least 0 and at most 1, got 1.5"),
        ({"repeat_fraction": -0.1}, "windows.repeat_fraction must be at least 0 and at most 1"),
        ({"repeat_weight": 2}, "windows.repeat_weight must be at least 0 and at most 1"),
        ({"strand": "reverse"}, "windows.strand must be one of forward, both, got 'reverse'"),
        ({"repeats": "drop"}, "windows.repeats must be one of keep, skip, weight, weight_bases, got 'drop'"),
        ({"validation_windows": -1}, "windows.validation_windows must be at least 0 and at most 1,000,000,000, got -1"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings, sentence):
    with pytest.raises(SettingsError, match=sentence):
        WindowSettings(**settings)
