import dataclasses

import pytest

from genomask.commands.run.folder import (
    Facts,
    Inputs,
    check_facts,
    check_settings,
    holds_run,
    is_finished,
    read_config,
    sweep_run,
    write_config,
)
from genomask.errors import SettingsError

INPUTS = Inputs(genome=("/genomes/a.fa", "/genomes/b.fa"))
FACTS = Facts("genome-1", {"my masks.py": "ab12", "other.py": "cd34"})


@pytest.fixture
def out(quick_recipe, tmp_path):
    write_config(tmp_path, quick_recipe, INPUTS, FACTS)
    return tmp_path


def with_precision(recipe, precision):
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, precision=precision))


def test_a_run_is_read_back_and_goes_on_with_what_it_began_with(quick_recipe, out):
    assert read_config(out) == (quick_recipe, INPUTS)
    assert holds_run(out, resume=True)
    check_settings(out, quick_recipe, INPUTS)
    check_facts(out, FACTS)


def test_other_settings_are_refused_by_name_but_not_other_paths_to_the_data(quick_recipe, out):
    check_settings(out, quick_recipe, Inputs(genome=("elsewhere/a.fa",)))  # what is in it is looked at later
    with pytest.raises(SettingsError, match="'ambiguous = \"error\"' there, 'ambiguous = \"n\"' asked for"):
        check_settings(out, quick_recipe, dataclasses.replace(INPUTS, ambiguous="n"))
    with pytest.raises(SettingsError, match=r"'precision = \"auto\"' there, 'precision = \"fp32\"' asked for"):
        check_settings(out, with_precision(quick_recipe, "fp32"), INPUTS)


def test_a_run_of_precision_auto_may_go_on_with_what_that_meant(quick_recipe, out):
    (out / "environment.json").write_text('{"precision": "bf16"}')
    check_settings(out, with_precision(quick_recipe, "bf16"), INPUTS)
    with pytest.raises(SettingsError, match="precision"):
        check_settings(out, with_precision(quick_recipe, "fp32"), INPUTS)


def test_other_data_and_edited_mask_files_are_refused_by_name(out):
    with pytest.raises(SettingsError, match=r"its genome or corpus has changed.*genome-1 there, genome-2 now"):
        check_facts(out, dataclasses.replace(FACTS, fingerprint="genome-2"))
    with pytest.raises(SettingsError, match=r"its my masks\.py has changed.*ab12 there, ee56 now"):
        check_facts(out, dataclasses.replace(FACTS, mask_files={"my masks.py": "ee56"}))


def test_a_mask_file_that_was_not_noted_can_be(quick_recipe, tmp_path):
    write_config(tmp_path, quick_recipe, INPUTS, Facts("genome-1", {}))
    assert "mask_files" not in (tmp_path / "config.toml").read_text()
    with pytest.raises(SettingsError, match=r"add the line '\"my masks\.py\" = \"ab12\"' under \[mask_files\]"):
        check_facts(tmp_path, FACTS)
    with (tmp_path / "config.toml").open("a") as file:
        file.write('[mask_files]\n"my masks.py" = "ab12"\n')
    check_facts(tmp_path, dataclasses.replace(FACTS, mask_files={"my masks.py": "ab12"}))


DAMAGED = {
    "empty": b"",
    "zeros": b"\0" * 50,
    "not UTF-8": b"\xff\xfe",
    "no inputs": b'kind = "genome"\n',
    "inputs are none": b'inputs = 3\nkind = "genome"\n',
    "paths are none": b'kind = "genome"\n[inputs]\ngenome = "a.fa"\nambiguous = "n"\ncorpus = []\n',
    "a path is none": b'kind = "genome"\n[inputs]\ngenome = [1]\nambiguous = "n"\ncorpus = []\n',
    "ambiguous is missing": b'kind = "genome"\n[inputs]\ngenome = ["a.fa"]\ncorpus = []\n',
    "mask files are none": b'mask_files = 1\n[inputs]\ngenome = ["a.fa"]\nambiguous = "n"\ncorpus = []\n',
    "no kind": b'[inputs]\ngenome = ["a.fa"]\nambiguous = "n"\ncorpus = []\n',
    "a room is none": b'kind = "genome"\ntokens = 7\n[inputs]\ngenome = ["a.fa"]\nambiguous = "n"\ncorpus = []\n',
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_config_is_named_and_left_as_it_is(quick_recipe, out, damage):
    config = out / "config.toml"
    config.write_bytes(DAMAGED[damage])
    for use in (lambda: read_config(out), lambda: check_settings(out, quick_recipe, INPUTS)):
        with pytest.raises(SettingsError, match=r"config\.toml.*; bring it back from a copy"):
            use()
    assert config.read_bytes() == DAMAGED[damage]


def test_a_config_that_is_a_folder_is_named(quick_recipe, tmp_path):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(SettingsError, match=r"config\.toml cannot be read"):
        check_settings(tmp_path, quick_recipe, INPUTS)


def test_what_killed_writes_left_is_swept_and_makes_no_folder_full(tmp_path):
    for name in (
        ".config.toml.abc123",
        ".model.01234567/config.json",
        "checkpoints/.step-10.0123abcd/state.json",
        ".lock",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sweep_run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "checkpoints"}
    assert list((tmp_path / "checkpoints").iterdir()) == []
    (tmp_path / "checkpoints").rmdir()
    assert not holds_run(tmp_path, resume=False)
    (tmp_path / "dear.txt").touch()
    with pytest.raises(SettingsError, match="not empty and holds no run"):
        holds_run(tmp_path, resume=False)


def test_a_folder_in_the_place_of_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "model").mkdir()
    sweep_run(tmp_path)
    (tmp_path / "curves.png").mkdir()
    with pytest.raises(SettingsError, match=r"curves.png is a folder where the run writes a file; move it away"):
        sweep_run(tmp_path)


def test_a_model_folder_without_weights_or_config_is_not_finished(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        assert not is_finished(tmp_path)
        (model / name).touch()
    assert is_finished(tmp_path)
    (model / "config.json").unlink()
    assert not is_finished(tmp_path)
