import numpy as np
import pytest
from in_memory import covered, random_sequence

from genomask.data import Genome
from genomask.data.sources import GenomeSource
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import GenomeWindows, WindowSettings
from genomask.errors import DataError, SettingsError

SIZE = 20_000


@pytest.fixture
def genome(tmp_path):
    n = "N" * 100
    (tmp_path / "g.fa").write_text(f">a\n{random_sequence(9_000, 0)}{n}{random_sequence(SIZE - 9_100, 1)}\n")
    (tmp_path / "genes.gtf").write_text(
        'a\tx\tgene\t5001\t6000\t.\t+\t.\tgene_id "one";\na\tx\tgene\t8001\t9100\t.\t-\t.\tgene_id "two";\n'
    )
    (tmp_path / "parts.bed").write_text("a\t1000\t9050\na\t10000\t12000\n")
    return Genome.open(tmp_path / "g.fa", cache=tmp_path)


def windows(genome, **settings):
    few = {"max_tokens": 60, "min_tokens": 60, "validation_windows": 2}
    return GenomeWindows(genome, WindowSettings(**(few | settings)), KmerTokenizer(k=1), seed=0)


def seen(found):
    """(bases,) bool each, what the first training windows and the validation windows cover."""
    batch = found.train(0, 2_000)
    validation = covered(found.validation_starts, [found.validation_bases] * len(found.validation_starts), SIZE)
    return covered(batch.starts, batch.lengths, SIZE), validation


def test_included_regions_are_all_that_is_seen(genome, tmp_path):
    training, validation = seen(windows(genome, include=(str(tmp_path / "parts.bed"),)))
    outside = np.ones(SIZE, dtype=bool)
    outside[1_000:9_000] = outside[10_000:12_000] = False
    assert training[1_000:9_000].mean() > 0.8
    assert not (training | validation)[outside].any()


def test_excluded_and_held_out_regions_and_genes_are_never_seen(genome, tmp_path):
    gtf, bed = tmp_path / "genes.gtf", str(tmp_path / "parts.bed")
    for settings, hidden in (
        ({"exclude": (bed,)}, [(1_000, 9_000), (10_000, 12_000)]),
        ({"holdout": (bed,)}, [(1_000, 9_000), (10_000, 12_000)]),
        ({"holdout": (str(gtf),)}, [(5_000, 6_000), (8_000, 9_000)]),
        ({"holdout": (f"{gtf}:two", "a:1-100")}, [(8_000, 9_000), (0, 100)]),
    ):
        training, validation = seen(windows(genome, **settings))
        for start, stop in hidden:
            assert not (training | validation)[start:stop].any()
        assert training.mean() > 0.2


def test_gaps_and_records_that_the_genome_lacks_may_be_excluded(genome, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "gaps.bed").write_text("a\t9000\t9100\nb\t5\t9\nc\t5\t9\n")
    assert windows(genome, exclude=(str(tmp_path / "gaps.bed"),)).train(0, 9) is not None
    assert "gaps.bed: 2 regions of records that the genome lacks, skipped" in caplog.text
    for text, said in (
        ("chra\t5\t9\n", "no region lies in a record of this genome, whose first records are: a"),
        ("b\tx\t9\n", "line 1: not a BED line"),
        ("a\t5\t90000\n", "line 1: 5-90000 is not a part of record a"),
    ):
        (tmp_path / "gaps.bed").write_text(text)
        with pytest.raises(DataError, match=said):
            windows(genome, exclude=(str(tmp_path / "gaps.bed"),))


def test_windows_near_starts_lie_around_them_on_their_strand_and_cross_no_n(genome, tmp_path):
    near = {"near": str(tmp_path / "genes.gtf"), "upstream": 300, "downstream": 100}
    training, _ = seen(windows(genome, **near))
    assert training[4_700:5_100].mean() > 0.7
    assert training[9_100:9_400].mean() > 0.7
    training[4_700:5_100] = training[9_100:9_400] = False
    assert not training.any()
    drawn = windows(genome, **near)
    assert drawn.training.tolist() == drawn.near.tolist()  # where words are counted and leaks are searched
    assert windows(genome, **near, near_fraction=0.6).training.tolist() == windows(genome).training.tolist()


def test_a_fraction_of_the_windows_is_drawn_near_and_the_others_stay_where_they_were(genome, tmp_path):
    near = {"near": str(tmp_path / "genes.gtf"), "upstream": 300, "downstream": 100}
    mixed, plain = windows(genome, **near, near_fraction=0.6).train(0, 2_000), windows(genome).train(0, 2_000)
    moved = mixed.starts != plain.starts
    assert moved.mean() == pytest.approx(0.6, abs=0.05)
    within = ((mixed.starts >= 4_700) & (mixed.starts < 5_100)) | ((mixed.starts >= 9_000) & (mixed.starts < 9_400))
    assert within[moved].all()


def test_the_fingerprint_of_a_source_depends_on_its_region_files(genome, tmp_path):
    def fingerprint(**settings):
        chosen = WindowSettings(max_tokens=60, validation_windows=2, **settings)
        return GenomeSource(genome, chosen, KmerTokenizer(k=1), seed=0).fingerprint

    bed = str(tmp_path / "parts.bed")
    before = fingerprint(include=(bed,))
    assert fingerprint(holdout=("a:1-1,000",)) == genome.fingerprint
    assert before == fingerprint(include=(bed,)) != genome.fingerprint
    (tmp_path / "parts.bed").write_text("a\t1000\t8000\n")
    assert fingerprint(include=(bed,)) != before


def test_the_key_of_regions_changes_if_only_the_training_regions_change(genome, tmp_path):
    keys = set()
    for text in ("a\t1000\t8000\n", "a\t1000\t8001\n"):
        (tmp_path / "parts.bed").write_text(text)
        chosen = windows(genome, exclude=(str(tmp_path / "parts.bed"),), validation_windows=0)
        keys.add(chosen.regions_key)
    assert len(keys) == 2


def test_regions_that_leave_no_room_or_do_not_exist_are_reported(genome, tmp_path):
    gtf = str(tmp_path / "genes.gtf")
    with pytest.raises(SettingsError, match="no start has 60 bases A, C, G or T in a row around it"):
        windows(genome, near=gtf, upstream=10, downstream=10)
    with pytest.raises(DataError, match=r"there is no gene or region called 'three'\. Names look like 'one'"):
        windows(genome, holdout=(f"{gtf}:three",))
    with pytest.raises(DataError, match="no such file"):
        windows(genome, near="absent.gtf")
