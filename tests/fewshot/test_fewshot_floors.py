import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from genomask.data.tasks import LabelledTask, read_task
from genomask.fewshot import floors
from genomask.fewshot.draws import draw_examples
from genomask.fewshot.floors import commonest, composition, gc_scorer, kmer_features, kmer_scorer


def features_reference(sequence: str, one_hot: bool) -> list[float]:
    """The features of one sequence, letter by letter."""
    features = []
    for k in (3, 4, 5):
        counts = dict.fromkeys(range(4**k), 0)
        for at in range(len(sequence) - k + 1):
            kmer = sequence[at : at + k]
            if set(kmer) <= set("ACGT"):
                counts[sum("ACGT".index(letter) * 4 ** (k - 1 - i) for i, letter in enumerate(kmer))] += 1
        roots = [math.sqrt(count) for count in counts.values()]
        norm = math.sqrt(sum(root**2 for root in roots)) or 1.0
        features += [root / norm for root in roots]
    if one_hot:
        features += [(letter == base) / math.sqrt(len(sequence)) for letter in sequence for base in "ACGT"]
    return features


@pytest.mark.parametrize(
    ("sequences", "one_hot"),
    [(["ACGTACGTTT", "GGGNGGACGT"], True), (["ACGTACGTTT", "AC", "GGGGNACGTACCC"], False), (["ACGT"], True)],
)
def test_features_are_those_of_the_plain_definition(sequences, one_hot):
    expected = [features_reference(sequence, one_hot) for sequence in sequences]
    np.testing.assert_allclose(kmer_features(sequences, one_hot), expected, rtol=1e-12)


def test_lower_case_counts_as_upper():
    np.testing.assert_array_equal(kmer_features(["acgtTT"], True), kmer_features(["ACGTTT"], True))


def test_composition_is_fractions_and_the_length_and_a_fraction_of_nothing_is_a_half():
    np.testing.assert_allclose(
        composition(["GGGCAAAT", "AT", "NN"]),
        [[0.5, 0.75, 0.75, math.log(8)], [0, 0.5, 0.5, math.log(2)], [0.5, 0.5, 0.5, math.log(2)]],
    )


def test_the_gc_floor_separates_sequences_that_differ_in_composition_and_no_others(pool, test_task):
    rows = np.arange(len(pool.labels))
    assert (gc_scorer(pool, test_task)(rows, 12, 0).argmax(axis=1) == test_task.labels).mean() > 0.8
    ordered = LabelledTask("order", ["ACGT", "TGCA"] * 6, np.tile([0, 1], 6), ["a", "b"], pool.path)
    assert (gc_scorer(ordered, ordered)(np.arange(12), 6, 0) == 0.5).all()


@pytest.mark.parametrize(
    ("task", "pool_file", "published"),
    [("Prom-core", "1000", {10: 59.0, 50: 65.5, 100: 67.1}), ("Splice-40", "500", {10: 47.4, 50: 60.3, 100: 64.5})],
)
def test_the_floor_reaches_its_known_accuracy_on_real_tasks(shared_data, task, pool_file, published):
    folder = shared_data / "genemask" / "fewshot" / task
    pool = read_task(folder / f"{pool_file}.tsv.gz", name=task)
    test = read_task(folder / "test.tsv.gz", name=task)
    scorer = kmer_scorer(pool, test)
    for shot, accuracy in published.items():
        draws = range(20 if shot == 10 else 6)
        rows = [draw_examples(pool.labels, shot, task, draw) for draw in draws]
        scores = [100 * (scorer(drawn, shot, 0).argmax(1) == test.labels).mean() for drawn in rows]
        assert abs(np.mean(scores) - accuracy) < 1.5


def test_the_commonest_class_of_a_test_is_what_guessing_gets(tmp_path):
    task = LabelledTask("odd", ["A"] * 4, np.array([1, 0, 1, 1]), ["x", "y"], tmp_path)
    assert commonest(task) == ("y", 0.75)
    assert commonest(replace(task, classes=["x", "y" * 100])).name == "y" * 60 + "..."


def test_features_made_in_parts_are_held_once(monkeypatch):
    sequences = ["ACGTTGCA", "GGGTACCA", "TTTTTTTT"] * 500
    whole = kmer_features(sequences, True)
    monkeypatch.setattr(floors, "SEQUENCES_AT_ONCE", 64)
    tracemalloc.start()
    in_parts = kmer_features(sequences, True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(in_parts, whole)
    assert peak < 1.5 * whole.nbytes
