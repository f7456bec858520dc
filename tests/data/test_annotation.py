import numpy as np
import pytest

from genomask.data import Genome
from genomask.data.annotation import around_starts, bodies, read_features
from genomask.errors import DataError

GTF = """#!genome-build x
chr1\tens\tgene\t11\t20\t.\t+\t.\tgene_id "g1"; gene_name "ABC1";
chr1\tens\texon\t11\t15\t.\t+\t.\tgene_id "g1";
1\tens\tgene\t31\t40\t.\t-\t.\tgene_id "g2";
patch\tens\tgene\t1\t900\t.\t-\t.\tgene_id "g3";
"""
GFF = """##gff-version 3
2\tRef\tregion\t1\t50\t.\t+\t.\tID=r
2\tRef\tmRNA\t5\t10\t.\t-\t0\tID=t1;Name=thrL;gene=b
##FASTA
>2
ACGT
"""


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "g.fa").write_text(f">chr1\n{'ACGTA' * 20}\n>2\n{'ACGTA' * 10}\n")
    return Genome.open(tmp_path / "g.fa", cache=tmp_path)


def read(tmp_path, text, genome):
    (tmp_path / "x").write_text(text)
    return read_features(tmp_path / "x", genome)


def test_gtf_genes_are_found_whether_or_not_record_names_begin_with_chr(tmp_path, genome):
    first, second = read(tmp_path, GTF, genome)  # the third is on a patch that the genome lacks
    assert first == ({"g1", "ABC1"}, 10, 20, False, True)
    assert second == ({"g2"}, 30, 40, True, True)


def test_transcripts_are_taken_where_there_is_no_gene(tmp_path, genome):
    assert read(tmp_path, GFF, genome) == [({"t1", "thrL", "b"}, 104, 110, True, True)]


def test_regions_of_bed_are_taken_with_their_names(tmp_path, genome):
    text = "chr1\t5\t9\tx\t0\t-\n2\t0\t50\n"
    assert read(tmp_path, text, genome) == [
        ({"x"}, 5, 9, True, True),
        ({"2:0-50"}, 100, 150, False, True),
    ]


def test_bases_around_starts_follow_the_strand_and_stay_in_the_record(tmp_path, genome):
    features = read(tmp_path, "chr1\t10\t20\ta\t0\t+\nchr1\t60\t70\tb\t0\t-\n2\t0\t5\tc\t0\t+\n", genome)
    assert around_starts(features, genome, 4, 7).tolist() == [[6, 17], [63, 74], [100, 107]]
    assert around_starts(features, genome, 0, 10).tolist() == [[10, 20], [60, 70], [100, 110]]
    assert np.array_equal(bodies(features), [[10, 20], [60, 70], [100, 105]])


@pytest.mark.parametrize(("strand", "around"), [("+", [[137, 147]]), ("-", [[103, 113]])])
def test_a_gene_over_the_origin_of_a_circular_record_goes_on_at_its_first_base(tmp_path, genome, strand, around):
    text = f"2\tR\tregion\t1\t50\t.\t+\t.\tID=r;Is_circular=true\n2\tR\tgene\t41\t60\t.\t{strand}\t.\tID=a\n"
    features = read(tmp_path, text, genome)
    assert bodies(features).tolist() == [[100, 110], [140, 150]]
    assert {name for feature in features for name in feature.names} == {"a"}
    assert around_starts(features, genome, 3, 7).tolist() == around
    for other in (text.replace("Is_c", "is_c"), text.replace("\t60", "\t101"), text.replace("\t41\t60", "\t51\t60")):
        with pytest.raises(DataError, match="is not a part of record 2, which has 50 bases"):
            read(tmp_path, other, genome)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("chr1\tx\tgene\t1\t200\t.\t+\t.\tID=a\n", "line 1: 1-200 is not a part of record chr1, which has 100 bases"),
        ("chr1\tx\tgene\t0\t20\t.\t+\t.\tID=a\n", "line 1: 0-20 is not a part of record chr1"),
        (
            "#\nchr1\tx\tgene\t1\t2\t.\t+\t.\tID=a\nchr1\tx\ty\tone\t2\n",
            "line 3: not a line of GTF or GFF",
        ),
        ("chr9\tx\tgene\t1\t20\t.\t+\t.\tID=a\n", "no gene or region lies in this genome"),
        ("chr1\tx\texon\t1\t20\t.\t+\t.\tID=a\n", "no gene or region lies in this genome"),
        ("chr1\tx\ty\n", "line 1: not a BED line"),
        ("chr1\t100\t100\n", "line 1: 100-100 holds no base"),
        ("chr1\t5\t6\n2\t50\t50\n", "line 2: 50-50 holds no base"),
    ],
)
def test_annotations_that_are_malformed_or_do_not_fit_the_genome_are_refused(tmp_path, genome, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read(tmp_path, text, genome)
