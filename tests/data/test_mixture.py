import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import genome_of, random_sequence
from scipy.stats import binomtest

from genomask.data import Genome
from genomask.data.mixture import Component, mixture_of
from genomask.data.opening import Inputs, open_genome
from genomask.data.settings import DnaTokenSettings
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import GenomeWindows, WindowSettings
from genomask.errors import SettingsError

FEW = {"max_tokens": 60, "min_tokens": 60, "validation_windows": 4}


def components(sizes, weights):
    """Adjacent components of these sizes, called a, b, c ..."""
    borders = np.cumsum([0, *sizes]).tolist()
    parts = zip("abcdef", borders, borders[1:], weights, strict=False)
    return tuple(Component(name, start, stop, weight / sum(weights)) for name, start, stop, weight in parts)


def windows(genome, mixture=(), **more):
    return GenomeWindows(genome, WindowSettings(**(FEW | more)), KmerTokenizer(k=1), 0, mixture)


def test_each_file_or_folder_given_is_one_genome_of_the_mixture_with_its_weight(tmp_path):
    for number, name in enumerate(("one/g.fa", "two/g.fa", "mouse/1.fa", "mouse/2.fa.gz.fa")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f">r\n{random_sequence(10 * (number + 1), number)}\n>s{number}\nACGTAC\n")
    paths = [tmp_path / "one" / "g.fa", tmp_path / "mouse", tmp_path / "two" / "g.fa"]
    genome = Genome.open(paths, cache=tmp_path / "cache")
    assert mixture_of(genome, paths, (3, 0.5, 0.5)) == (
        Component("g", 0, 16, 0.75), Component("mouse", 16, 98, 0.125), Component("g-2", 98, 124, 0.125)
    )  # fmt: skip
    assert mixture_of(genome, paths, ()) == (Component("", 0, 124, 1.0),)


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(800, 3_000), min_size=2, max_size=4),
    data=st.data(),
    seed=st.integers(0, 2**63 - 1),
    near_n=st.booleans(),
)
def test_each_genome_gives_its_fraction_of_the_windows_and_they_stay_within_it(sizes, data, seed, near_n):
    weights = data.draw(st.lists(st.floats(0.2, 5), min_size=len(sizes), max_size=len(sizes)))
    codes = [("N" * 50 if near_n else "") + random_sequence(size - 50 * near_n, size) for size in sizes]
    genome, mixture = genome_of(*codes), components(sizes, weights)
    chosen = WindowSettings(**FEW, full_fraction=0.5, repeats="keep")
    drawn = GenomeWindows(genome, chosen, KmerTokenizer(k=1), seed, mixture)
    batch = drawn.train(2**40, 1_500)
    for part in mixture:
        within = (batch.starts >= part.start) & (batch.starts < part.stop)
        assert (batch.starts[within] + batch.lengths[within] <= part.stop).all()
        assert binomtest(int(within.sum()), 1_500, min(1.0, part.fraction)).pvalue > 1e-7
        held_out = len(part.part_of(np.stack([drawn.validation_starts] * 2, axis=1))) * drawn.validation_bases
        assert 64 <= held_out <= max(64, (part.stop - part.start) / 8)
    parts = [drawn.train(2**40 + at, 500).starts for at in (0, 500, 1_000)]
    assert np.array_equal(np.concatenate(parts), batch.starts)


def test_the_weights_do_not_change_where_the_windows_of_a_genome_lie():
    sizes = [9_000, 4_000]
    genome = genome_of(*(random_sequence(size, size) for size in sizes))
    mixed, other = (windows(genome, components(sizes, weights)).train(0, 400) for weights in ((1, 1), (9, 1)))
    stayed = (mixed.starts < 9_000) & (other.starts < 9_000)
    assert 150 < stayed.sum() < 250
    assert np.array_equal(mixed.starts[stayed], other.starts[stayed])


def test_validation_windows_are_divided_evenly_whatever_the_weights():
    sizes = [30_000, 9_000]
    genome = genome_of(*(random_sequence(size, size) for size in sizes))
    one, other = (windows(genome, components(sizes, weights)) for weights in ((1, 1), (99, 1)))
    assert one.validation_starts.tolist() == other.validation_starts.tolist()
    assert (one.validation_starts < 30_000).tolist() == [True, True, False, False]
    assert one.regions_key == other.regions_key != windows(genome, components([30_000 - 1, 9_001], (1, 1))).regions_key


def test_a_genome_that_cannot_give_windows_is_named(tmp_path):
    sizes = [9_000, 4_000]
    genome = genome_of(*(random_sequence(size, size) for size in sizes))
    mixture = components(sizes, (1, 1))
    (tmp_path / "of-a.bed").write_text("r0\t3000\t3001\n")
    of_a = {"near": str(tmp_path / "of-a.bed"), "near_fraction": 0.5}
    with pytest.raises(SettingsError, match="no start in b has 60 bases"):
        windows(genome, mixture, **of_a)
    with pytest.raises(SettingsError, match=r"the genome b is shorter than one window.* 4,000 bases"):
        windows(genome, mixture, max_tokens=5_000, min_tokens=60)
    soft = genome_of(random_sequence(9_000, 0), random_sequence(4_000, 1).lower())
    with pytest.raises(SettingsError, match=r"only 0.0% of the windows of 60 bases pass in b"):
        windows(soft, mixture, repeats="skip")


def test_each_genome_needs_a_validation_window(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.fa").write_text(f">{name}\n{random_sequence(2_000, ord(name))}\n")
    inputs = Inputs(genome=(str(tmp_path / "a.fa"), str(tmp_path / "b.fa")), weights=(2, 1))
    few = WindowSettings(**(FEW | {"validation_windows": 1}))
    with pytest.raises(SettingsError, match=r"validation_windows is 1\. Set it to at least 2, one for each genome"):
        open_genome(inputs, DnaTokenSettings(k=1), few, 0)
    source = open_genome(inputs, DnaTokenSettings(k=1), WindowSettings(**FEW), 0)
    assert source.validation_bases.genomes == {"a": slice(0, 1), "b": slice(1, 2)}
    assert "; a: 66.7% of the windows, from 1,808 bases, 1 held out; b: 33.3%" in source.description
    facts = source.manifest()["windows"]["genomes"]
    assert [(of["name"], of["acgt"], of["training"], of["validation_windows"]) for of in facts] == [
        ("a", 2_000, 1_808, 1), ("b", 2_000, 1_808, 1)
    ]  # fmt: skip
    assert inputs.words == ("a.fa:2", "b.fa:1")
