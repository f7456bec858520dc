"""The simulated genome is what it claims to be, and its task is not in it."""

import inspect

import numpy as np
import pytest

from genomask.commands.demo import simulate as room
from genomask.commands.demo.simulate import (
    SimulationSettings,
    draw_background,
    draw_genome,
    draw_motifs,
    draw_task,
    simulate,
)
from genomask.errors import SettingsError

SMALL = SimulationSettings(bases=50_000, pool_sequences=40, test_sequences=20)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("simulated"), seed=0)


def genome_text(path) -> str:
    return "".join(path.read_text().splitlines()[1:])


def task_rows(path) -> list[list[str]]:
    header, *rows = path.read_text().splitlines()
    assert header == "sequence\tlabel"
    return [row.split("\t") for row in rows]


def test_the_background_has_a_fifth_of_the_cpg_that_its_composition_gives():
    codes = draw_background(np.random.default_rng(0), 1_000_000)
    fractions = np.bincount(codes, minlength=4) / len(codes)
    cpg = np.mean((codes[:-1] == 1) & (codes[1:] == 2))
    assert cpg / (fractions[1] * fractions[2]) == pytest.approx(0.2, abs=0.01)


def test_the_background_is_a_first_order_chain():
    codes = draw_background(np.random.default_rng(1), 2_000_000).astype(int)
    triples = np.bincount(codes[:-2] * 16 + codes[1:-1] * 4 + codes[2:], minlength=64).reshape(4, 4, 4)
    given_two = triples / triples.sum(-1, keepdims=True)
    given_one = triples.sum(0) / triples.sum((0, 2))[:, None]
    assert np.abs(given_two - given_one).max() < 0.01  # about four standard errors in the rarest context, CG


def test_elements_of_two_kinds_fill_four_fifths_of_the_genome_and_never_overlap():
    rng = np.random.default_rng(0)
    codes, elements = draw_genome(rng, draw_motifs(rng), 1_000_000)
    lengths = elements[:, 1] - elements[:, 0]
    assert lengths.sum() / len(codes) == pytest.approx(0.8, abs=0.01)
    assert (lengths.min(), lengths.max()) == (100, 300)
    assert (elements[1:, 0] > elements[:-1, 1]).all()
    assert elements[:, 2].mean() == pytest.approx(0.5, abs=0.05)


def test_an_element_holds_motifs_of_its_own_kind_with_two_free_positions_each():
    rng = np.random.default_rng(0)
    motifs = draw_motifs(rng)
    assert (motifs.is_fixed.sum(-1) == 8).all()
    codes, elements = draw_genome(rng, motifs, 100_000)
    for start, _, kind in elements:
        first = codes[start : start + 10]
        matches = ((first == motifs.letters) | ~motifs.is_fixed).all(-1)
        assert matches[kind].any()


def test_task_sequences_are_100_bases_of_both_kinds_in_equal_numbers(files):
    for path, count in ((files.pool, 4_000), (files.test, 1_000)):
        rows = task_rows(path)
        assert {len(sequence) for sequence, _ in rows} == {100}
        labels = [label for _, label in rows]
        assert (labels.count("kind-A"), labels.count("kind-B")) == (count // 2, count // 2)


def test_no_task_sequence_is_on_a_strand_of_the_genome_or_in_both_pool_and_test(files):
    genome = genome_text(files.genome)
    assert len(genome) == 1_000_000
    windows = {genome[at : at + 30] for at in range(len(genome) - 29)}
    pool, test = ([sequence for sequence, _ in task_rows(path)] for path in (files.pool, files.test))
    for sequence in pool + test:
        reverse = sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]
        for strand in (sequence, reverse):
            assert strand[:30] not in windows or strand not in genome
    assert len(set(pool + test)) == 5_000


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_motifs(tmp_path):
    first, again = simulate(tmp_path / "a", 3, SMALL), simulate(tmp_path / "b", 3, SMALL)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    motifs = [
        {bytes(motif) for motif in draw_motifs(np.random.default_rng(seed)).letters.reshape(-1, 10)} for seed in (0, 1)
    ]
    assert not motifs[0] & motifs[1]


def test_every_fasta_line_but_the_last_is_80_letters(tmp_path):
    lines = simulate(
        tmp_path, 0, SimulationSettings(bases=1_234, pool_sequences=2, test_sequences=2)
    ).genome.read_text()
    assert [len(line) for line in lines.splitlines()[1:]] == [80] * 15 + [34]


def test_only_the_simulation_uses_the_motifs():
    from_outside = list(inspect.signature(simulate).parameters)
    assert from_outside == ["out", "seed", "settings"]
    package = room.__file__.rpartition("/commands/")[0]
    users = [path for path in room.Path(package).rglob("*.py") if "draw_motifs" in path.read_text()]
    assert [path.name for path in users] == ["simulate.py"]


def test_a_genome_too_short_for_one_element_is_refused():
    with pytest.raises(SettingsError, match="at least 390"):
        SimulationSettings(bases=100)


def test_task_kinds_use_different_motifs():
    rng = np.random.default_rng(0)
    motifs = draw_motifs(rng)
    codes, kinds = draw_task(rng, motifs, 200)
    windows = np.lib.stride_tricks.sliding_window_view(codes, 10, axis=1)
    hits = np.zeros((200, 2))
    for kind in (0, 1):
        for letters, is_fixed in zip(motifs.letters[kind], motifs.is_fixed[kind], strict=True):
            hits[:, kind] += (windows[..., is_fixed] == letters[is_fixed]).all(-1).sum(1)
    assert (hits.argmax(1) == kinds).mean() > 0.99
