"""Folders of other projects: what is read, and what is refused without being run."""

import json
import os
import zipfile

import pytest
import torch
from originals import MOSAICBERT, original_checkpoint
from safetensors.torch import save_file
from tiny_encoders import packed_input

from genomask.encoders.bridges import from_folder, from_mosaicbert
from genomask.encoders.bridges.files import MAX_JSON_BYTES, read_weights
from genomask.errors import DataError


def save_safe(state, folder):
    save_file(state, folder / "model.safetensors")


def save_pickled(state, folder):
    torch.save(state, folder / "pytorch_model.bin")


def save_as_before_2020(state, folder):
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [save_safe, save_pickled, save_as_before_2020], ids=lambda save: save.__name__)
def test_a_folder_gives_the_model_of_its_config_and_tensors(save, tmp_path):
    config, state = original_checkpoint()
    (tmp_path / "config.json").write_text(json.dumps(config))
    save(state, tmp_path)
    input_ids = packed_input([11])[0][None]
    expected = from_mosaicbert(config, state)(input_ids=input_ids).logits
    assert torch.equal(from_folder(tmp_path)(input_ids=input_ids).logits, expected)


def test_mosaicberts_config_is_read_without_a_model_type_and_refused_with_another(tmp_path):
    config, state = original_checkpoint()
    save_safe(state, tmp_path)
    del config["model_type"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert from_folder(tmp_path).config.mlp == "glu"
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "modernbert"}))
    with pytest.raises(DataError, match="model_type is 'modernbert'; only 'bert'"):
        from_folder(tmp_path)


def test_safetensors_are_read_before_a_pickle(tmp_path):
    save_safe({"x": torch.ones(1)}, tmp_path)
    save_pickled({"x": torch.zeros(1)}, tmp_path)
    assert read_weights(tmp_path)["x"] == 1


class Malicious:
    """An object whose unpickling makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_carries_code_is_refused_and_not_run(zipped, tmp_path):
    trace = tmp_path / "it-ran"
    state = {"x": torch.ones(2), "y": Malicious(str(trace))}
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match=r"pytorch_model\.bin: .* hold more than tensors \(nothing in them was run\)"):
        read_weights(tmp_path)
    assert not trace.exists()
    torch.load(tmp_path / "pytorch_model.bin", weights_only=False)
    assert trace.exists()  # so the pickle is harmful


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


def claim_a_long_header(folder):
    (folder / "model.safetensors").write_bytes((10 * 2**30).to_bytes(8, "little") + b"{}")


SPOILT = {
    "pickle cut short": (
        lambda folder: save_pickled({"x": torch.ones(99)}, folder) or cut_off(folder / "pytorch_model.bin")
    ),
    "old pickle cut short": (
        lambda folder: save_as_before_2020({"x": torch.ones(99)}, folder) or cut_off(folder / "pytorch_model.bin")
    ),
    "safetensors cut short": (
        lambda folder: save_safe({"x": torch.ones(99)}, folder) or cut_off(folder / "model.safetensors")
    ),
    "safetensors with a header of 10 GB": claim_a_long_header,
    "pointer to a large file": lambda folder: (folder / "pytorch_model.bin").write_text("version https://git-lfs\n"),
    "empty": lambda folder: (folder / "pytorch_model.bin").touch(),
}


@pytest.mark.parametrize("case", SPOILT)
def test_weights_that_cannot_be_read_are_one_clear_error(case, tmp_path):
    SPOILT[case](tmp_path)
    with pytest.raises(DataError, match="the weights are damaged or cut short") as problem:
        read_weights(tmp_path)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("content", [[torch.ones(1)], {"weights": {"x": torch.ones(1)}}], ids=["list", "nested"])
def test_weights_that_are_no_table_of_tensors_are_refused(content, tmp_path):
    save_pickled(content, tmp_path)
    with pytest.raises(DataError, match="not a table of tensors by name"):
        read_weights(tmp_path)


def test_shards_are_read_as_one_table_through_links_too(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a": torch.ones(1)}, folder / "one.safetensors")
    save_file({"b": torch.ones(2)}, tmp_path / "blob")
    (folder / "two.safetensors").symlink_to(tmp_path / "blob")
    write_index(folder, a="one.safetensors", b="two.safetensors")
    assert {name: len(x) for name, x in read_weights(folder).items()} == {"a": 1, "b": 2}
    (tmp_path / "blob").unlink()
    with pytest.raises(DataError, match=r"lacks two\.safetensors, one of the 2 files of its weights"):
        read_weights(folder)


def write_index(folder, **places):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ""])
def test_an_index_that_leads_out_of_its_folder_is_refused(name, tmp_path):
    (tmp_path / "secret.safetensors").touch()
    folder = tmp_path / "model"
    folder.mkdir()
    write_index(folder, a=name)
    with pytest.raises(DataError, match=r"not beside it; nothing outside the folder is read|lacks "):
        read_weights(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}', "", "[" * 100_000])
def test_an_invalid_index_is_refused(text, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(DataError, match=r"index\.json: (not a|has no weight_map)"):
        read_weights(tmp_path)


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(2**20))
    with pytest.raises(DataError, match="a compressed archive"):
        read_weights(tmp_path)


CONFIGS = {
    "empty": ("", r"config\.json: not a valid JSON file"),
    "too deep": ("[" * 100_000, r"config\.json: not a valid JSON file"),
    "huge": (" " * (MAX_JSON_BYTES + 1), r"config\.json: too large for a config\.json \(33,554,433 bytes\)"),
    "not text": ("\0", r"config\.json: not a valid JSON file"),
    "none": (None, r"no model here \(no config\.json\)"),
    "not JSON": ("{", r"config\.json: not a valid JSON file"),
    "a list": ("[]", r"config\.json: not a JSON object"),
    "another kind": (json.dumps({"model_type": "gpt2"}), "model_type is 'gpt2'; only 'bert'"),
    "no weights": (json.dumps(MOSAICBERT), "config.json but no weights"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_folder_without_a_usable_model_is_refused(case, tmp_path):
    text, message = CONFIGS[case]
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match=message):
        from_folder(tmp_path)
