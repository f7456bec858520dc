import dataclasses

import pytest

from genomask.commands.run_folder.changes import MAY_CHANGE, Change, check_settings
from genomask.commands.run_folder.folder import (
    Facts,
    Inputs,
    check_facts,
    holds_run,
    is_finished,
    read_config,
    sweep_run,
    write_config,
)
from genomask.commands.run_folder.kinds import RECORDS
from genomask.errors import SettingsError
from genomask.recipe import load_recipe

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


def test_files_that_settings_name_are_found_from_any_folder_and_reported_if_lost(quick_recipe, tmp_path, monkeypatch):
    start = tmp_path / "start"
    start.mkdir()
    for name in ("these.bed", "genes.gtf", "chr1"):
        (start / name).touch()
    files = {"exclude": ("these.bed",), "near": "genes.gtf", "holdout": ("chr1", "chr2:1-9", "genes.gtf:TP53")}
    recipe = dataclasses.replace(quick_recipe, windows=dataclasses.replace(quick_recipe.windows, **files))
    monkeypatch.chdir(start)
    write_config(start, recipe, Inputs(), FACTS)
    assert check_settings(start, recipe, Inputs()) == []
    monkeypatch.chdir(tmp_path)
    kept, inputs = read_config(start)
    bed, genes = str(start / "these.bed"), str(start / "genes.gtf")
    assert (kept.windows.exclude, kept.windows.near) == ((bed,), genes)
    assert kept.windows.holdout == ("chr1", "chr2:1-9", f"{genes}:TP53")  # a record's name is not a file's
    assert kept.lost(inputs) == ""
    (start / "genes.gtf").unlink()
    assert kept.lost(inputs) == f"{genes}, which defines the run's windows, no longer exists"


def test_other_settings_are_refused_by_name_but_not_other_paths_to_the_data(quick_recipe, out):
    check_settings(out, quick_recipe, Inputs(genome=("elsewhere/a.fa",)))  # its contents are checked later
    with pytest.raises(
        SettingsError, match=r"'inputs\.ambiguous = \"error\"' there, 'inputs\.ambiguous = \"n\"' asked"
    ):
        check_settings(out, quick_recipe, dataclasses.replace(INPUTS, ambiguous="n"))
    with pytest.raises(
        SettingsError, match=r"'training\.precision = \"auto\"' there, 'training\.precision = \"fp32\"' asked"
    ):
        check_settings(out, with_precision(quick_recipe, "fp32"), INPUTS)


def test_a_refusal_names_the_config_of_the_run_and_that_recipe_goes_on(quick_recipe, out):
    with pytest.raises(SettingsError, match=rf"with the same ones \(--recipe {out}/config\.toml\), or give"):
        check_settings(out, with_training(quick_recipe, seed=1), INPUTS)
    assert check_settings(out, load_recipe(out / "config.toml"), INPUTS) == []
    with pytest.raises(SettingsError, match="with the same ones, or give"):  # no recipe says how a genome is read
        check_settings(out, quick_recipe, dataclasses.replace(INPUTS, ambiguous="n"))


def with_training(recipe, **changes):
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **changes))


def test_settings_that_do_not_change_the_science_may_change_and_are_reported(quick_recipe, out):
    longer = with_training(
        quick_recipe, steps=40, log_every=2, checkpoint_every=5, tokens_per_microbatch=600, workers=2
    )
    changes = check_settings(out, longer, INPUTS)
    assert Change("training.steps", 20, 40) in changes
    assert {change.name for change in changes} == {name for name in MAY_CHANGE if name.startswith("training.")} - {
        "training.device", "training.compile"
    }  # fmt: skip
    steps = next(change for change in changes if change.name == "training.steps")
    assert steps.sentence.startswith("training.steps was 20 and is 40 from here on: the learning rate")
    with pytest.raises(SettingsError, match=r"'training\.steps = 20' there, 'training\.steps = 40' asked for"):
        check_settings(out, longer, INPUTS, same_length=True)
    with pytest.raises(SettingsError, match=r"'training\.seed = 0' there, 'training\.seed = 1' asked for"):
        check_settings(out, with_training(longer, seed=1), INPUTS)


def test_a_run_is_not_made_shorter_than_it_already_is(quick_recipe, out):
    (out / "checkpoints" / "step-10").mkdir(parents=True)
    assert check_settings(out, with_training(quick_recipe, steps=11), INPUTS)
    with pytest.raises(SettingsError, match="10 steps done and saved; ask for more"):
        check_settings(out, with_training(quick_recipe, steps=10), INPUTS)


def test_a_run_of_precision_auto_may_go_on_with_the_precision_it_used(quick_recipe, out):
    (out / "environment.json").write_text('{"precision": "bf16"}')
    check_settings(out, with_precision(quick_recipe, "bf16"), INPUTS)
    with pytest.raises(SettingsError, match="precision"):
        check_settings(out, with_precision(quick_recipe, "fp32"), INPUTS)


def test_other_data_and_edited_mask_files_are_refused_by_name(out):
    with pytest.raises(SettingsError, match=r"its genome or corpus has changed.*genome-1 there, genome-2 now"):
        check_facts(out, dataclasses.replace(FACTS, fingerprint="genome-2"))
    with pytest.raises(SettingsError, match=r"its my masks\.py has changed.*ab12 there, ee56 now"):
        check_facts(out, dataclasses.replace(FACTS, mask_files={"my masks.py": "ee56"}))


def test_a_mask_file_missing_from_the_config_can_be_added(quick_recipe, tmp_path):
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
        with pytest.raises(SettingsError, match=r"config\.toml.*; restore it from a backup"):
            use()
    assert config.read_bytes() == DAMAGED[damage]


def test_a_config_that_is_a_folder_is_named(quick_recipe, tmp_path):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(SettingsError, match=r"config\.toml cannot be read"):
        check_settings(tmp_path, quick_recipe, INPUTS)


def test_leftovers_of_killed_writes_are_removed_and_the_folder_counts_as_empty(tmp_path):
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
    for resume in (False, True):  # nothing can start there either
        with pytest.raises(SettingsError, match=r"not empty and holds no run \(no config\.toml\); give another --out"):
            holds_run(tmp_path, resume)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(("own", "other"), [("pretrain", "finetune"), ("finetune", "pretrain"), ("glue", "pretrain")])
def test_a_folder_of_another_verb_is_named_as_what_it_is(tmp_path, own, other, resume):
    (tmp_path / RECORDS[other]).touch()
    with pytest.raises(SettingsError, match=f"holds a run of {other} .*; give another --out"):
        holds_run(tmp_path, resume, own)


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
