"""Names of data sets on the hub, as a command line gives them."""

import pytest

from genomask.data.hub_corpus import HubCorpus
from genomask.data.opening import Inputs, open_text
from genomask.data.settings import DocumentSettings, WordPieceSettings
from genomask.errors import DataError, SettingsError
from genomask.files.inputs import corpus


def test_a_name_is_c4_or_begins_with_hf():
    assert HubCorpus.named("c4") == HubCorpus("allenai/c4", "en")
    assert HubCorpus.named("hf:owner/name") == HubCorpus("owner/name")
    assert HubCorpus.named("hf:wikitext:wikitext-2-v1") == HubCorpus("wikitext", "wikitext-2-v1")
    assert HubCorpus.named("c4/shard.jsonl") is None


def test_a_bad_data_set_name_and_a_missing_file_are_refused(tmp_path):
    for text in ("hf:", "hf:a/b/c", "hf:a b", "hf:a:"):
        with pytest.raises(SettingsError, match=f"{text}: not the name of a data set"):
            corpus(text)
    (tmp_path / "a.jsonl").write_text("{}")
    for text in ("c4", "hf:a", "hf:a/b:c", str(tmp_path), str(tmp_path / "a.jsonl"), str(tmp_path / "*.jsonl")):
        assert corpus(text) == text
    with pytest.raises(DataError, match="no such file"):
        corpus(str(tmp_path / "*.parquet"))


def test_a_name_that_is_both_a_data_set_and_a_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert corpus("c4") == "c4"
    (tmp_path / "c4").mkdir()
    with pytest.raises(SettingsError, match=r"there is a c4 here too; give ./c4, or hf:allenai/c4:en"):
        corpus("c4")
    assert corpus("./c4") == "./c4"
    assert (HubCorpus.named("./c4"), HubCorpus.named("hf:allenai/c4:en")) == (None, HubCorpus.named("c4"))


def test_a_hub_data_set_cannot_be_mixed_with_files_and_keeps_its_name(tmp_path):
    assert Inputs(corpus=("hf:a/b",)).absolute().corpus == ("hf:a/b",)
    with pytest.raises(SettingsError, match=r"--corpus c4 a.jsonl: give either one data set of the hub or files"):
        open_text(Inputs(corpus=("c4", "a.jsonl")), WordPieceSettings(), DocumentSettings(), 0, tmp_path)
