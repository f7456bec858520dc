"""Every field of a recipe gets bad values: each gives a clear error, or a recipe that can be built."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from genomask.errors import SettingsError
from genomask.fewshot.finetune import FineTuneSettings
from genomask.fewshot.protocol import FewShotSettings
from genomask.recipe import load_recipe

HUGE = "1" + 5_000 * "0"
NUMBERS = ("nan", "inf", "-inf", "-1", "-1.0", "0", "0.0", "1e308", "1e400", str(10**30), str(2**63), HUGE, "-" + HUGE)
JUNK = (
    *('""', '"\\u0000"', '"a\\u0000.py:b"', '"\\u001b[31m"', '"[/b]"', "[]", '["a", 1]', "{}", "{a = 1}", "[[[", '"("'),
    *(
        100_000 * "[",
        '"' + 300 * "A" + '"',
        "a" * 5_000,
        "=",
        "",
        " ",
        "true",
        "1979-05-27",
        '"genemask:=1"',
        "'\u202e'",
    ),
)
FIELDS = [
    (name, room.name, field.name)
    for name in ("genome-tiny", "c4-tiny")
    for room in fields(load_recipe(name))
    for field in fields(get_type_hints(type(load_recipe(name)))[room.name])
]


def sentence(name: str, change: str) -> str:
    """The error message of a change; empty if the recipe it makes can be built."""
    try:
        load_recipe(name, [change]).encoder.config(vocab_size=100)
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "room", "field"), FIELDS, ids=str)
def test_any_value_of_a_setting_is_refused_in_a_sentence_or_can_be_built(name, room, field):
    for value in (*NUMBERS, *JUNK):
        assert len(sentence(name, f"{room}.{field}={value}")) < 1_500


@pytest.mark.parametrize(("name", "room", "field"), FIELDS, ids=str)
def test_nan_and_infinity_are_refused_for_every_setting(name, room, field):
    for value in ("nan", "inf", "-inf"):
        assert f"{room}.{field}" in sentence(name, f"{room}.{field}={value}").replace("encoder: ", "encoder.")


BAD_NUMBERS = (-1, 0, float("nan"), float("inf"), 10**30)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((FewShotSettings, field) for field in ("shots", "draws")),
        *((FineTuneSettings, field) for field in ("learning_rate", "epochs", "batch_size")),
    ],
)
def test_the_settings_of_fewshot_are_checked_too(kind, field):
    for value in BAD_NUMBERS:
        with pytest.raises(SettingsError, match=field):
            kind(**{field: (value,) if field == "shots" else value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.beta_1=1.0", "optimizer.beta_1 must be at least 0 and below 1, got 1.0"),
        ("optimizer.beta_2=-1", "optimizer.beta_2 must be at least 0 and below 1, got -1.0"),
        ("optimizer.eps=-1", "optimizer.eps must be above 0"),
        ("optimizer.learning_rate=nan", "optimizer.learning_rate must be above 0"),
        ("training.stepz=1", "Did you mean 'steps'?"),
        ("trainin.steps=1", "Did you mean 'training'?"),
        ("masking.strategy=genmask", "Did you mean 'genemask'?"),
        ("masking.strategy=span:longst=3", "Did you mean 'longest'?"),
        ("training.precision=bf61", "Did you mean 'bf16'?"),
        ("encoder.attention_backend=magic", "attention_backend = 'magic' is not one of auto, sdpa, flex, flash"),
        ("encoder.num_hidden_layers=1000000", "num_hidden_layers must be at most 1,024"),
        ("kind.x=1", "kind is not a table"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_right(change, words):
    with pytest.raises(SettingsError) as refused:
        load_recipe("genome-tiny", [change])
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text", ['kind = ["genome"]', "kind = {}", "kind = 1979-05-27", "", 'kind = "genome"\ntraining = 3']
)
def test_a_recipe_of_another_shape_is_refused(tmp_path, text):
    (tmp_path / "mine.toml").write_text(text)
    for changes in ([], ["training.steps=1"]):
        with pytest.raises(SettingsError, match=r"kind must be one of|must be a table|is not a table"):
            load_recipe(tmp_path / "mine.toml", changes)


def test_a_recipe_that_cannot_be_read_is_one_clear_error(tmp_path):
    for name in (300 * "a", tmp_path, "", "."):
        with pytest.raises(SettingsError, match="recipe"):
            load_recipe(name)
