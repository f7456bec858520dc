import gzip
import io
import math
import random
import re
import shutil
import sys
import types

import pandas as pd
import pytest
from rich.table import Table

from genomask.cli import app as cli
from genomask.commands.run_folder.folder import facts_of, write_config
from genomask.commands.variants import variants as verb
from genomask.commands.variants.output import HEADER_LINE
from genomask.commands.variants.ranking import Criterion
from genomask.commands.variants.variants import VariantRequest, score_vcf
from genomask.data import Genome
from genomask.data.vcf import read_vcf
from genomask.errors import DataError, SettingsError
from genomask.files.bgzip import BGZIP_END
from genomask.inference.sites import Sites
from genomask.inference.variants import VariantScorer

RNG = random.Random(1)
BASES = "".join(RNG.choices("ACGT", k=400))
HEAD = (
    '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n"
)


def row(at, alt, info=".", n=1, end="\n", record="chr7"):
    return f"{record}\t{at + 1}\tv{at}\t{BASES[at : at + n]}\t{alt}\t.\tPASS\t{info}\tGT\t0/1{end}"


def text(n=20):
    """Lines of every kind: several ALTs, a deletion, no ALT, symbols, other line endings."""
    snvs = [row(at, "ACGT".replace(BASES[at], "")[at % 3], f"AF={at / 100};X=1") for at in range(40, 40 + n)]
    others = [row(100, "<DEL>,G" + BASES[100], "AF=0.1,0.2"), row(120, BASES[120], n=4), row(130, "."), "\n",
              row(140, BASES[140] + "CCC", "AF=.", end="\r\n"), row(150, "*"), row(160, "N").rstrip("\n")]  # fmt: skip
    return HEAD + "".join([*snvs, *others])


@pytest.fixture
def place(tmp_path):
    (tmp_path / "g.fa").write_text(f">chr7\n{BASES}\n")
    (tmp_path / "x.vcf").write_bytes(text().encode())
    return tmp_path


def ask(place, model_folder, **changes):
    settings = {"model": model_folder, "genome": (place / "g.fa",), "vcf": place / "x.vcf", "out": place / "o.tsv"}
    return [*score_vcf(VariantRequest(**(settings | {"window": 60} | changes)))]


def test_a_table_has_a_row_for_every_alt_in_order(place, model_folder):
    said = ask(place, model_folder)
    table = pd.read_csv(place / "o.tsv", sep="\t")
    assert list(table.columns) == ["record", "position", "id", "ref", "alt", "llr"]
    lines = [line.variant for line in read_vcf(place / "x.vcf") if line.variant]
    assert [*zip(table["position"], table["alt"], strict=True)] == [(v.position, alt) for v in lines for alt in v.alts]
    sites = Sites(Genome.open(place / "g.fa"))
    scores = [s.llr for each in VariantScorer.open(model_folder, sites, 60).scores(lines) for s in each]
    assert table["llr"].tolist() == pytest.approx(scores, abs=1e-5, nan_ok=True)
    assert said == [
        f"23 of 26 ALTs scored in windows of 60 bases: {place / 'o.tsv'}",
        "without a score: 3 with letters other than A, C, G and T",
    ]


@pytest.mark.parametrize("name", ["o.vcf", "o.vcf.gz"])
def test_a_vcf_is_the_same_but_for_one_line_and_one_entry(place, model_folder, monkeypatch, name):
    monkeypatch.setattr(verb, "VARIANTS_AT_ONCE", 4)
    ask(place, model_folder, out=place / name)
    ask(place, model_folder)
    written = (place / name).read_bytes()
    if name.endswith(".gz"):
        assert written.endswith(BGZIP_END)
        written = gzip.decompress(written)
    assert written.count(HEADER_LINE.encode() + b"\n#CHROM") == 1
    bare = written.decode().replace(HEADER_LINE + "\n", "")
    bare = re.sub(r"\tGM_LLR=[^\t]*", "\t.", re.sub(r";GM_LLR=[^\t]*", "", bare))
    assert bare == text()
    table = pd.read_csv(place / "o.tsv", sep="\t", dtype=str, keep_default_na=False)
    values = re.findall(r"GM_LLR=([^\t]*)", written.decode())
    assert [one for one in ",".join(values).split(",") if one != "."] == [one for one in table["llr"] if one != "NA"]
    assert any(one.startswith(".,") for one in values)


def test_a_vcf_with_a_byte_order_mark_is_written_as_the_one_without(place, model_folder):
    ask(place, model_folder, out=place / "plain.vcf")
    (place / "x.vcf").write_bytes(b"\xef\xbb\xbf" + (place / "x.vcf").read_bytes())
    ask(place, model_folder, out=place / "marked.vcf")
    assert (place / "marked.vcf").read_bytes() == (place / "plain.vcf").read_bytes()


def test_a_vcf_that_has_scores_is_refused_and_files_of_others_are_kept(place, model_folder):
    ask(place, model_folder, out=place / "o.vcf")
    ask(place, model_folder, out=place / "o.vcf")
    with pytest.raises(DataError, match="line 3 of the VCF: it already has GM_LLR"):
        ask(place, model_folder, vcf=place / "o.vcf", out=place / "p.vcf")
    assert not (place / "p.vcf").exists()
    (place / "notes.tsv").write_text("mine")
    (place / "other.vcf").write_text(text())
    for name, words in (("notes.tsv", "not a file that genomask variants wrote"), ("other.vcf", "not a file that"),
                        ("x.vcf", "would overwrite"), ("o.bcf", "ends in .tsv, .vcf or .vcf.gz")):  # fmt: skip
        with pytest.raises(SettingsError, match=words):
            ask(place, model_folder, out=place / name)


def test_a_ref_that_is_not_the_genomes_is_named_and_counted(place, model_folder):
    wrong = row(60, "A").replace(f"\t{BASES[60]}\t", f"\t{'ACGT'['ACGT'.index(BASES[60]) - 1]}\t")
    (place / "x.vcf").write_text(HEAD + row(50, "AC") + wrong + row(70, "AC", record="chr9"))
    with pytest.raises(
        DataError, match=r"x.vcf, line 5: chr7:61: REF is ., and the genome has . there. 2 of 3 variants"
    ) as no:
        ask(place, model_folder)
    assert "--mismatch skip" in str(no.value)
    assert not (place / "o.tsv").exists()
    said = ask(place, model_folder, mismatch="skip")
    assert "2 variants left out, at odds with the genome: chr7:61: REF is" in said[1]
    assert "chr9:71: the genome has no such record; its first records are: chr7" in said[1]
    assert said[2] == "without a score: 2 whose REF is not the genome's"
    assert (place / "o.tsv").read_text().count("\tNA\n") == 2


def test_three_of_many_variants_at_odds_with_the_genome_are_named(place, model_folder):
    (place / "x.vcf").write_text(HEAD + "".join(row(at, "AC", record="chr9") for at in range(50, 55)))
    said = str(ask(place, model_folder, mismatch="skip")[1])
    assert said.startswith("5 variants left out, at odds with the genome: chr9:51: ")
    assert [f"chr9:{at}:" in said for at in range(51, 56)] == [True, True, True, False, False]
    assert said.endswith("; ...")


def test_letters_for_several_bases_in_the_genome_are_read_as_asked(place, model_folder):
    (place / "g.fa").write_text(f">chr7\n{BASES[:200]}R{BASES[201:]}\n")
    (place / "x.vcf").write_text(HEAD + row(50, "AC"))
    with pytest.raises(DataError, match="--ambiguous n"):
        ask(place, model_folder)
    assert ask(place, model_folder, ambiguous="n")[0].startswith("1 of 1 ALT scored")


def test_names_of_another_convention_are_read(place, model_folder):
    (place / "x.vcf").write_text(HEAD + row(50, "AC", record="7"))
    assert ask(place, model_folder)[0].startswith("1 of 1 ALT scored")
    assert (place / "o.tsv").read_text().splitlines()[1].startswith("7\t51\t")


def test_scores_are_compared_with_labels_from_a_frequency(place, model_folder):
    (shown,) = (
        part for part in ask(place, model_folder, criterion=Criterion.parse("AF<0.5")) if isinstance(part, Table)
    )
    assert [column.header.plain for column in shown.columns] == ["variants", "ALTs", "positive", "AUROC", "AUPRC"]
    assert [next(str(cell) for cell in column.cells) for column in shown.columns][:3] == ["all", "21", "11 (52.4%)"]
    *_, few, meaning = ask(place, model_folder, criterion=Criterion.parse("AF<0.42"))
    assert [str(next(iter(column.cells))) for column in few.columns][3].endswith(" [too few]")
    assert "Too few to show whether the model separates" in meaning
    with pytest.raises(DataError, match=r"0 of the 21 ALTs that this labels are positive; both kinds.* AF is 0"):
        ask(place, model_folder, criterion=Criterion.parse("AF<0"), out=place / "not.tsv")
    assert not (place / "not.tsv").exists()


def test_only_labels_of_spelt_alts_count_and_are_checked_before_writing(place, model_folder):
    (place / "x.vcf").write_text(HEAD + row(50, "<DEL>", "KIND=bad") + row(60, BASES[60] + "A", "KIND=good"))
    with pytest.raises(DataError, match="0 of the 1 ALTs that this labels are positive"):
        ask(place, model_folder, criterion=Criterion.parse("KIND=bad"))
    assert not (place / "o.tsv").exists()


def test_scores_are_written_even_if_all_of_them_have_one_label(place, model_folder):
    (place / "x.vcf").write_text(HEAD + row(50, BASES[50] + "A" * 99, "K=bad") + row(60, BASES[60] + "A", "K=good"))
    said = ask(place, model_folder, criterion=Criterion.parse("K=bad"))
    assert "0 of the 1 ALTs that this labels are positive" in said[-1]
    assert (place / "o.tsv").read_text().count("\tNA\n") == 1


def test_position_and_ref_are_checked_only_if_an_alt_is_spelt(place, model_folder):
    unspelt = [f"chr7\t{at}\t.\tN\t<DEL>\t.\t.\tX;\n" for at in (0, 60, 401)]
    (place / "x.vcf").write_text(
        HEAD.replace("\tFORMAT\ts1", "") + "".join(unspelt) + "chr7\t70\t.\tn\tNA,AC\t.\t.\t.\n"
    )
    assert ask(place, model_folder, out=place / "o.vcf")[0].startswith("1 of 5 ALTs scored")
    written = [line.split("\t")[7] for line in (place / "o.vcf").read_text().splitlines() if line.startswith("chr7")]
    assert written[:3] == ["X;GM_LLR=."] * 3
    assert written[3].startswith("GM_LLR=.,")


def test_standard_input_goes_to_standard_output_and_messages_elsewhere(place, model_folder, monkeypatch, capsys):
    ask(place, model_folder)
    data = gzip.compress(text().encode())
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))
    words = f"genomask variants --model {model_folder} --genome {place}/g.fa - --window 60 --evaluate AF<0.5"
    monkeypatch.setattr(sys, "argv", words.split())
    with pytest.raises(SystemExit) as end:
        cli.main()
    heard = capsys.readouterr()
    assert end.value.code == 0, heard.err
    assert heard.out == (place / "o.tsv").read_text()
    assert "AUROC" in heard.err


def test_lines_are_scored_in_batches_of_limited_bytes_to_the_end_of_the_file(place, model_folder, monkeypatch):
    rows = [row(at, BASES[at] + "A") for at in range(40, 60)]
    (place / "x.vcf").write_text(HEAD + "".join(rows))
    together, score = [], VariantScorer.scores
    monkeypatch.setattr(VariantScorer, "scores", lambda self, lines: together.append(len(lines)) or score(self, lines))
    monkeypatch.setattr(verb, "BYTES_AT_ONCE", 4 * len(rows[0]))
    ask(place, model_folder)
    first, *whole, last = filter(None, together)
    assert set(whole) == {4}
    assert first + 4 * len(whole) + last == 20


def test_malformed_lines_are_named_before_the_model_is_opened(place, model_folder):
    (place / "x.vcf").write_text(text() + "\nchr7\tx\n")
    with pytest.raises(DataError, match=r"x.vcf, line 31: 2 columns"):
        ask(place, place / "no-model")


def test_real_variants_are_scored_on_the_real_genome(shared_data, model_folder, tmp_path):
    genome = shared_data / "genomes" / "human" / "hg19.chr22_1-22000000.fa.gz"
    vcf = shared_data / "variants" / "clinvar_ADA2.vcf.gz"
    said = ask(tmp_path, model_folder, genome=(genome,), vcf=vcf, out=tmp_path / "a.vcf.gz")
    assert said[0].startswith("62 of 62 ALTs scored")
    kept = gzip.decompress((tmp_path / "a.vcf.gz").read_bytes()).decode().replace(HEADER_LINE + "\n", "")
    assert all(math.isfinite(float(value)) for value in re.findall(r"GM_LLR=(.*)", kept))
    assert re.sub(r";GM_LLR=.*", "", kept).encode() == gzip.decompress(vcf.read_bytes())


def test_a_window_is_as_long_as_those_that_the_models_run_trained_on(place, model_folder, quick_recipe, inputs):
    run = place / "run"
    shutil.copytree(model_folder, run / "model")
    write_config(run, quick_recipe, inputs, facts_of(quick_recipe, ""))
    assert any("in windows of 66 bases" in str(said) for said in ask(place, run / "model", window=0))  # 64 3-mers
    assert any("in windows of 60 bases" in str(said) for said in ask(place, run / "model", window=60))
    assert any("in windows of 512 bases" in str(said) for said in ask(place, model_folder, window=0))  # 510 3-mers
