import tomllib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from in_memory import genome_of, random_sequence

from genomask.data.packing import take
from genomask.data.sources import GenomeSource
from genomask.data.tokenizers.kmer import KmerTokenizer
from genomask.data.windows import WindowSettings
from genomask.errors import SettingsError
from genomask.recipe import load_recipe, recipe_from_tables, recipe_to_toml

pairs = st.lists(st.tuples(st.integers(1, 40), st.integers(5, 399)), max_size=4)


def grown(found, sequences):
    """A warm-up of the pairs found, in rising order, its settings and their growth."""
    tokens = sorted({tokens for _, tokens in found})
    warmup = tuple((steps, length) for (steps, _), length in zip(found, tokens, strict=False))
    chosen = WindowSettings(max_tokens=400, full_fraction=0.5, validation_windows=1, length_warmup=warmup)
    return warmup, chosen, chosen.growth(sequences)


@settings(deadline=None, max_examples=100)
@given(found=pairs.filter(bool), sequences=st.integers(1, 300))
def test_each_sequence_number_belongs_to_one_step_and_gives_its_length(found, sequences):
    warmup, _, growth = grown(found, sequences)
    lengths = [length for steps, length in warmup for _ in range(steps)] + [400] * 5
    at = 0
    for step, length in enumerate(lengths):
        first, count = growth.sequences_of(step)
        assert first == at
        assert growth.longest_of(np.array([first, first + count - 1])).tolist() == [length, length]
        at += count
    assert count == sequences
    assert growth.last.max_tokens == 400


@settings(deadline=None, max_examples=100)
@given(found=pairs.filter(bool), sequences=st.integers(1, 300))
def test_every_step_has_about_the_same_number_of_tokens(found, sequences):
    warmup, _, growth = grown(found, sequences)
    mean = {length: 2 + (length + (5 + length) / 2) / 2 for length in (*(tokens for _, tokens in warmup), 400)}
    for stage in growth.stages:
        assert abs(stage.sequences * mean[stage.max_tokens] - sequences * mean[400]) <= mean[stage.max_tokens] / 2


def source_of(warmup, sequences=6, k=3, stride=1):
    chosen = WindowSettings(max_tokens=60, validation_windows=2, length_warmup=warmup, strand="both")
    genome = genome_of(random_sequence(9_000, 1))
    return GenomeSource(genome, chosen, KmerTokenizer(k, stride), 5, growth=chosen.growth(sequences))


def test_windows_are_as_long_as_their_step_allows_and_the_same_in_any_parts():
    source = source_of(((2, 10), (1, 30)))
    growth = source.windows.settings.growth(6)
    first, count = growth.sequences_of(5)
    whole = source.train(0, first + count)
    parts = [source.train(at, 7) for at in range(0, first, 7)]
    assert torch.equal(torch.cat([part.input_ids for part in parts]), take(whole, slice(0, 7 * len(parts))).input_ids)
    assert (whole.lengths.numpy() <= growth.longest_of(np.arange(first + count)) + 2).all()
    for step, longest in enumerate((10, 10, 30, 60, 60, 60)):
        first, count = growth.sequences_of(step)
        assert int(source.train(first, count).lengths.max()) == longest + 2
    alike, after = source_of(()), growth.last.first
    assert torch.equal(source.train(after, 20).input_ids, alike.train(after, 20).input_ids)


def test_the_pairs_are_kept_as_they_were_given():
    recipe = load_recipe("genome-tiny", ["windows.length_warmup=[[600, 32], [300, 64]]"])
    assert recipe.windows.length_warmup == ((600, 32), (300, 64))
    assert recipe_from_tables(tomllib.loads(recipe_to_toml(recipe)), "again") == recipe
    assert recipe.growth.words == (
        "600 steps of 233 windows of up to 32 tokens, 300 steps of 124 windows of up to 64 tokens, "
        "then of 64 of up to 128"
    )
    assert load_recipe("genome-tiny").growth is None
    assert recipe.longest == load_recipe("genome-tiny").longest == 130


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[[600, 128]]", r"tokens that rise, from windows.min_tokens \(5\) or more to less than windows.max_tokens"),
        ("[[600, 64], [9, 32]]", "tokens that rise"),
        ("[[600, 4]]", "tokens that rise"),
        ("[[0, 64]]", "must be a list of pairs of whole numbers from 1 to"),
        ("[600, 64]", "must be a list of pairs"),
        ("[[600, 64.0]]", "must be a list of pairs"),
        ("[[600]]", "must be a list of pairs"),
        ("64", "must be a list of pairs"),
        ('["chr1"]', "must be a list of pairs"),
        ("[[3000, 32], [1000, 64]]", r"lasts 4,000 steps and training.steps = 4,000, so no window would reach"),
    ],
)
def test_a_length_warmup_that_is_malformed_or_does_not_grow_is_refused(value, words):
    with pytest.raises(SettingsError, match=rf"windows.length_warmup .*{words}"):
        load_recipe("genome-tiny", [f"windows.length_warmup={value}"])


def test_learned_positions_need_room_for_the_longest():
    with pytest.raises(SettingsError, match="max_position_embeddings = 64 is less than one sequence"):
        load_recipe(
            "genome-tiny",
            ["windows.length_warmup=[[9, 32]]", "encoder.positions=learned", "encoder.max_position_embeddings=64"],
        )
