"""A run on two weighted genomes, from its inputs to what it reports of each."""

from dataclasses import replace

import pytest

from genomask.commands.pretrain import pretrain
from genomask.commands.run_folder.folder import read_config
from genomask.commands.run_folder.report import report_run
from genomask.errors import SettingsError
from genomask.training.metrics_log import read_metrics


@pytest.fixture
def mixed(inputs, tmp_path):
    (tmp_path / "mouse.fa").write_text(">m\n" + "GATTACAGCCGTACCTTAGG" * 500 + "\n")
    return replace(inputs, genome=(*inputs.genome, str(tmp_path / "mouse.fa")), weights=(2.0, 1.0))


def test_a_run_keeps_its_weights_scores_each_genome_and_refuses_other_weights(quick_recipe, mixed, run_folder, caplog):
    recipe = replace(quick_recipe, training=replace(quick_recipe.training, steps=2))
    with caplog.at_level("INFO", logger="genomask"):
        pretrain(recipe, mixed, run_folder)
    assert "mouse: 33.3% of the windows, from" in caplog.text
    assert read_config(run_folder) == (recipe, mixed)
    last = read_metrics(run_folder / "metrics.jsonl")[-1]
    of_each = [last[f"eval_loss_nats_per_masked_token_of_{name}"] for name in ("genome", "mouse")]
    assert min(of_each) < last["eval_loss_nats_per_masked_token"] < max(of_each)
    assert last["eval_hidden_bases_six_of_mouse"] == last["eval_hidden_bases_six"] / 2
    tables = [part for part in report_run(run_folder) if not isinstance(part, str)]
    assert list(map(str, tables[1].columns[0].cells)) == ["genome", "mouse", "all"]
    card = (run_folder / "model" / "README.md").read_text()
    assert "| data | genome.fa:2, mouse.fa:1 (" in card.replace(".gz", "")
    assert "| mouse | " in card
    with pytest.raises(SettingsError, match=r"'inputs.weights = \[2.0, 1.0\]' there, .*\[1.0, 1.0\]' asked for"):
        pretrain(recipe, replace(mixed, weights=(1.0, 1.0)), run_folder, resume=True)
    with pytest.raises(SettingsError, match=r"'inputs.weights = \[\]' asked for"):
        pretrain(recipe, replace(mixed, weights=()), run_folder, resume=True)


def test_damaged_weights_are_reported(quick_recipe, mixed, run_folder):
    pretrain(replace(quick_recipe, training=replace(quick_recipe.training, steps=1)), mixed, run_folder)
    config = run_folder / "config.toml"
    whole = config.read_text()
    for weights in ("[2.0]", '["2", "1"]', "[2.0, -1.0]", "2"):
        config.write_text(whole.replace("weights = [2.0, 1.0]", f"weights = {weights}"))
        with pytest.raises(SettingsError, match=r"has no complete table \[inputs\]"):
            read_config(run_folder)
    config.write_text(whole.replace("weights = [2.0, 1.0]\n", ""))  # as earlier versions wrote it
    assert read_config(run_folder)[1] == replace(mixed, weights=())
