import tomllib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data.opening import Inputs
from genomask.errors import SettingsError
from genomask.recipe import load_recipe, recipe_from_tables, recipe_to_toml
from genomask.settings.recipe_file import recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_being_written_and_read_back(name):
    recipe = load_recipe(name)
    assert recipe_from_tables(tomllib.loads(recipe_to_toml(recipe)), "test") == recipe


def test_the_recipes_of_the_design_are_there():
    assert set(recipe_names()) >= {"genome-tiny", "genome-logo", "genome-base", "c4-tiny", "c4-base", "c4-large"}


def test_the_base_recipes_have_the_published_figures():
    dna, text = load_recipe("genome-base"), load_recipe("c4-base")
    assert (dna.training.steps, dna.training.sequences_per_step, dna.optimizer.learning_rate) == (10_000, 2_000, 4e-4)
    assert (dna.tokens.k, dna.tokens.stride, dna.masking.mask_rate, dna.masking.corruption) == (6, 1, 0.15, "span")
    windows = dna.windows
    assert (windows.min_tokens, windows.max_tokens, windows.full_fraction, windows.strand) == (5, 510, 0.5, "forward")
    assert (dna.optimizer.warmup_steps, dna.optimizer.min_lr_ratio, dna.optimizer.weight_decay) == (500, 0.0, 0.01)
    for adamw in (dna.optimizer, text.optimizer):
        assert (adamw.name, adamw.beta_1, adamw.beta_2, adamw.eps, adamw.clip_norm) == ("adamw", 0.9, 0.98, 1e-6, 1.0)
    for encoder in (dna.encoder, text.encoder):
        assert (encoder.hidden_dropout_prob, encoder.mlp, encoder.positions) == (0.1, "glu", "alibi")
    assert (text.training.steps, text.training.sequences_per_step, text.masking.mask_rate) == (70_000, 4_096, 0.30)
    assert (text.optimizer.min_lr_ratio, text.masking.corruption, text.documents.max_tokens) == (0.02, "token", 128)
    assert text.optimizer.weight_decay * text.optimizer.learning_rate == pytest.approx(1e-5)
    assert text.optimizer.warmup_steps == 0.06 * text.training.steps
    assert text.evaluation.mask_rate == 0.15


def test_genome_base_and_logo_mask_by_genemask_and_the_others_by_random_span():
    strategies = {name: load_recipe(name).masking.strategy for name in recipe_names() if name.startswith("genome")}
    assert strategies == {
        "genome-tiny": "random-span",
        "genome-fast": "random-span",
        "genome-demo": "random-span",
        "genome-base": "genemask",
        "genome-logo": "genemask",
    }


def test_c4_fast_has_the_data_and_encoder_of_c4_tiny_but_for_positions():
    fast, tiny = load_recipe("c4-fast"), load_recipe("c4-tiny")
    same = replace(fast.encoder, positions=tiny.encoder.positions)
    assert (
        replace(fast, encoder=same, optimizer=tiny.optimizer, training=tiny.training, evaluation=tiny.evaluation)
        == tiny
    )
    shares = [x.optimizer.warmup_steps / x.training.steps for x in (fast, tiny)]
    assert shares[0] == shares[1]
    assert (
        fast.training.steps * fast.training.sequences_per_step == tiny.training.steps * tiny.training.sequences_per_step
    )


@pytest.mark.parametrize("name", recipe_names())
@pytest.mark.parametrize(
    ("steps", "log", "checkpoint", "evaluation"),
    [(3, 1, 1, 1), (60, 3, 12, 12), (1_000, 20, 200, 200), (4_000, 20, 500, 800), (10_000, 20, 500, 1_000)],
)
def test_how_often_a_run_is_logged_saved_and_evaluated_follows_its_length(name, steps, log, checkpoint, evaluation):
    recipe = load_recipe(name, [f"training.steps={steps}"])
    assert (recipe.training.log_every, recipe.training.checkpoint_every) == (log, checkpoint)
    assert recipe.evaluation.every == evaluation
    assert f"every = {evaluation}\n" in recipe_to_toml(recipe)


def test_intervals_that_are_set_hold_whatever_the_length_of_the_run():
    asked = ["training.steps=60", "evaluation.every=50", "training.log_every=40", "training.checkpoint_every=500"]
    recipe = load_recipe("genome-tiny", asked)
    assert (recipe.training.log_every, recipe.training.checkpoint_every, recipe.evaluation.every) == (40, 500, 50)


@given(steps=st.integers(1, 10**6), rate=st.floats(1e-6, 1))
@settings(max_examples=30, deadline=None)
def test_set_changes_single_values(steps, rate):
    recipe = load_recipe("genome-tiny", [f"training.steps={steps}", f"optimizer.learning_rate={rate}"])
    assert (recipe.training.steps, recipe.optimizer.learning_rate) == (steps, rate)


def test_set_takes_strings_with_and_without_quotes_and_lists():
    recipe = load_recipe("genome-tiny", ["masking.strategy=uniform", 'windows.holdout=["XVI", "IV:1-5"]'])
    assert recipe.masking.strategy == "uniform"
    assert recipe.windows.holdout == ("XVI", "IV:1-5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.stepz=5", r"\[training\] has no key 'stepz'; known: steps"),
        ("trainning.steps=5", "has no table 'trainning'"),
        ("steps=5", "--set takes table.key=value"),
        ("training.steps", "--set takes table.key=value"),
        ("training.steps=many", "training.steps must be a whole number, got 'many'"),
        ("training.steps=0", "training.steps must be at least 1"),
        ("training.steps=true", "must be a whole number"),
        (f"training.seed={2**63}", r"training.seed must be at least 0 and below 2\*\*63"),
        ("training.seed=-1", "training.seed must be at least 0"),
        (f"training.seed=1{'0' * 5_000}", "training.seed must be a whole number"),
        ("optimizer.learning_rate=-1", "optimizer.learning_rate must be above 0"),
        ("windows.holdout=XVI", "windows.holdout must be a list of strings"),
        ("tokens.k=9", "tokens.k = 9 would take 262,149 tokens"),
        ("tokens.stride=3", r"tokens.stride must be 1 \(overlapping k-mers\) or k"),
        ("masking.strategy=magic", "unknown masking strategy 'magic'"),
        ("encoder.num_attention_heads=7", "not a multiple"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(change, message):
    with pytest.raises(SettingsError, match=message):
        load_recipe("genome-tiny", [change])


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "mine.toml").write_text('kind = "genome"\n', encoding="utf-8-sig")
    assert load_recipe(tmp_path / "mine.toml").of == "DNA"


def test_an_unknown_recipe_broken_toml_and_an_unknown_kind_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="genome-tiny"):
        load_recipe("genome-tinny")
    broken = tmp_path / "mine.toml"
    broken.write_text("kind = ")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_recipe(broken)
    broken.write_text('kind = "proteins"')
    with pytest.raises(SettingsError, match="kind must be one of genome, text"):
        load_recipe(broken)


def test_a_kind_of_recipe_names_its_material_its_units_and_its_lost_files(tmp_path):
    genome, text = load_recipe("genome-tiny"), load_recipe("c4-tiny")
    assert (genome.of, genome.masked_unit, genome.token_words(261)) == ("DNA", "overlapping tokens", "4-mers, stride 1")
    assert (text.of, text.masked_unit, text.token_words(30_522)) == ("text", "word pieces", "30,522 word pieces")
    assert load_recipe("genome-tiny", ["tokens.stride=4"]).masked_unit == "tokens end to end"
    gone = Inputs(genome=(str(tmp_path / "gone.fa"),), corpus=("gone.jsonl",))
    assert genome.lost(gone) == f"{tmp_path / 'gone.fa'} no longer exists"
    assert "run this command there" in genome.lost(Inputs(genome=("gone.fa",)))
    assert load_recipe("genome-tiny", ["tokens.folder=gone"]).lost(Inputs()).startswith("gone, the tokenizer")
    assert (genome.lost(Inputs()), text.lost(gone), text.training_bases(gone)) == ("", "", None)


def test_the_config_of_a_run_is_a_recipe_too(tmp_path):
    recipe = load_recipe("genome-tiny", ["training.steps=7"])
    config = tmp_path / "config.toml"
    config.write_text(recipe_to_toml(recipe) + '\n[inputs]\ngenome = ["a.fa"]\n\n[mask_files]\n\n[from]\npath = "b"\n')
    assert load_recipe(config) == recipe
