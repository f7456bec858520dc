"""BPE and single bases from a genome to the few-shot table; what `genomask tokenizer train` writes and refuses."""

import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch

from genomask.commands.export import export
from genomask.commands.fewshot import measure
from genomask.commands.pretrain import pretrain
from genomask.commands.run_folder.report import NOT_REPORTED, report_run
from genomask.commands.tokenizer import train_tokenizer
from genomask.data.tokenizers import bpe
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.tokenizers.saved import dna_tokenizer
from genomask.errors import DataError, SettingsError
from genomask.fewshot.protocol import FewShotSettings
from genomask.hashing import make_keys
from genomask.masking import build_plan
from genomask.training.metrics_log import read_metrics


@pytest.fixture(scope="module")
def words(simulated, tmp_path_factory):
    """The folder of a small vocabulary of the simulated genome."""
    out = tmp_path_factory.mktemp("tokenizer") / "words"
    said = train_tokenizer([simulated.genome], 64, out, ambiguous="error", seed=0)
    assert f"--set tokens.folder={out}" in said
    return out


def test_the_printed_setting_that_pretrains_with_it_survives_the_shell(simulated, tmp_path):
    said = train_tokenizer([simulated.genome], 12, tmp_path / "my words", ambiguous="error", seed=0)
    assert f"tokens.folder={tmp_path}/my words" in shlex.split(said)


def test_the_seed_chooses_the_windows_that_words_are_learned_from(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(bpe, "SAMPLE_BASES", 2 * bpe.SAMPLE_WINDOW)
    learned = []
    for number, seed in enumerate((0, 1, 1)):
        out = tmp_path / str(number)
        train_tokenizer([simulated.genome], 64, out, ambiguous="error", seed=seed)
        learned.append((out / "tokenizer.json").read_text())
    assert learned[0] != learned[1] == learned[2]


def test_letters_for_several_bases_are_read_as_asked(simulated, tmp_path):
    (tmp_path / "r.fa").write_text(simulated.genome.read_text() + "R\n")
    with pytest.raises(DataError, match="--ambiguous n"):
        train_tokenizer([tmp_path / "r.fa"], 12, tmp_path / "words", ambiguous="error", seed=0)
    train_tokenizer([tmp_path / "r.fa"], 12, tmp_path / "words", ambiguous="n", seed=0)
    assert (tmp_path / "words" / "tokenizer.json").exists()


@pytest.fixture
def bpe_recipe(quick_recipe, words):
    tokens = replace(quick_recipe.tokens, folder=str(words))
    encoder = replace(quick_recipe.encoder, positions="alibi-directed")
    training = replace(quick_recipe.training, steps=4)
    masking = replace(quick_recipe.masking, strategy="random-span")
    return replace(quick_recipe, tokens=tokens, encoder=encoder, training=training, masking=masking)


def fewshot_rows(model, simulated, out):
    settings = FewShotSettings(shots=(4,), draws=2, methods=("probe",))
    return [part for part in measure(model, simulated.pool, simulated.test, settings, out) if isinstance(part, str)]


def test_bpe_goes_from_a_genome_to_the_fewshot_table(bpe_recipe, inputs, simulated, run_folder, tmp_path, words):
    pretrain(bpe_recipe, inputs, run_folder)
    last = read_metrics(run_folder / "metrics.jsonl")[-1]
    assert "eval_loss_nats_per_masked_token" in last
    assert not [name for name in last if "bits" in name]
    assert NOT_REPORTED in list(report_run(run_folder))
    assert NOT_REPORTED in (run_folder / "model" / "README.md").read_text()
    assert "2 measurements" in fewshot_rows(run_folder / "model", simulated, tmp_path / "fewshot")[-1]
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (run_folder / "model" / name).read_text()
    assert dna_tokenizer(replace(bpe_recipe.tokens, folder=str(run_folder / "model"))).learned == (
        dna_tokenizer(bpe_recipe.tokens).learned
    )


@pytest.mark.parametrize("strategy", ["uniform", "contiguous", "fixed-span", "random-span", "span"])
def test_strategies_that_need_no_kmers_mask_the_asked_rate_of_words(bpe_recipe, inputs, tmp_path, strategy):
    source = bpe_recipe.open_source(inputs, tmp_path)
    batch = source.train(0, 300)
    sample = batch.input_ids, batch.cu_seqlens
    plan = build_plan(strategy, steps=1, tokens=source.token_bases, mask_rate=0.15, sample=sample)
    spans = plan.at(0).select(*sample, torch.from_numpy(make_keys(0, 0, np.arange(300))))
    masked = (spans > 0).sum() / source.token_bases.maskable[batch.input_ids].sum()
    assert masked == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize(
    ("strategy", "match", "words_said"),
    [("genemask", "tokens", "needs k-mers"), ("cm-gems", "tokens", "only a genome's k-mers have"),
     ("random-span", "none", "tokens of unequal length"), ("whole-word", "tokens", "does not work on dna")],
)  # fmt: skip
def test_settings_that_words_of_unequal_length_cannot_have_are_one_clear_error(
    bpe_recipe, inputs, run_folder, strategy, match, words_said
):
    recipe = replace(bpe_recipe, masking=replace(bpe_recipe.masking, strategy=strategy, match=match))
    with pytest.raises(SettingsError, match=words_said):
        pretrain(recipe, inputs, run_folder)


def test_single_bases_go_from_a_genome_to_the_fewshot_table_and_out(quick_recipe, inputs, simulated, tmp_path, caplog):
    recipe = replace(
        quick_recipe,
        tokens=replace(quick_recipe.tokens, k=1),
        training=replace(quick_recipe.training, steps=4),
        masking=replace(quick_recipe.masking, strategy="span"),
    )
    pretrain(recipe, inputs, tmp_path / "run")
    assert "tokens do not overlap, so an encoder with plain ALiBi cannot tell left from right" in caplog.text
    last = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert 1 < last["eval_bits_per_hidden_base"] < 4
    model = tmp_path / "run" / "model"
    assert "2 measurements" in fewshot_rows(model, simulated, tmp_path / "fewshot")[-1]
    export(model, "mosaicbert", tmp_path / "exported")
    assert (tmp_path / "exported" / "vocab.txt").read_text().split()[5:] == ["A", "T", "C", "G"]


@pytest.mark.parametrize("content", ["nothing", "kmers", "damaged"])
def test_a_folder_is_refused_unless_it_holds_a_tokenizer(bpe_recipe, tmp_path, content):
    if content == "kmers":
        KmerTokenizer(2).save_pretrained(tmp_path)
        assert dna_tokenizer(replace(bpe_recipe.tokens, folder=str(tmp_path))).bases_for(10) == 11
        return
    if content == "damaged":
        (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(SettingsError, match=r"no tokenizer can be opened there .* Give a folder that"):
        dna_tokenizer(replace(bpe_recipe.tokens, folder=str(tmp_path)))


@pytest.mark.parametrize("name", ["nosuch", "no/such/folder", "bert-base-uncased"])
def test_a_missing_folder_is_reported_and_the_hub_is_not_asked(bpe_recipe, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=rf"tokens\.folder = '{name}': there is no such folder\. Give a"):
        dna_tokenizer(replace(bpe_recipe.tokens, folder=name))
    (tmp_path / "words").write_text("")
    with pytest.raises(SettingsError, match=r"tokens\.folder = 'words': is a file, not a folder\."):
        dna_tokenizer(replace(bpe_recipe.tokens, folder="words"))


def test_an_existing_out_is_left_alone(simulated, words):
    before = (words / "tokenizer.json").read_bytes()
    with pytest.raises(SettingsError, match="already exists"):
        train_tokenizer([simulated.genome], 64, words, ambiguous="error", seed=0)
    assert (words / "tokenizer.json").read_bytes() == before
