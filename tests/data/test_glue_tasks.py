"""GLUE's files in their published layout and its data set on the hub give the same examples."""

import gzip

import datasets
import numpy as np
import pytest

from genomask.data.glue import TASKS, chosen, read_split
from genomask.errors import DataError, SettingsError


def put(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())


def test_files_are_found_in_folders_or_beside_each_other_and_read_without_quoting(tmp_path):
    put(tmp_path, "CoLA.train.tsv.gz", 'gj04\t1\t\tHe said "so.\nbc\t0\t*\tHim  said\n')
    put(tmp_path, "MRPC/dev.tsv", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\tOne , \tAnother .\n")
    cola, mrpc = read_split(TASKS["CoLA"], "train", tmp_path), read_split(TASKS["MRPC"], "dev", tmp_path)
    assert (cola.sequences, cola.targets.tolist()) == (['He said "so.', "Him said"], [1, 0])
    assert cola.classes == ["unacceptable", "acceptable"]
    assert (mrpc.sequences, mrpc.targets.tolist()) == (["One ,\tAnother ."], [1])


def test_labels_are_words_or_numbers_and_bad_ones_are_named(tmp_path):
    put(tmp_path, "RTE/train.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n1\tc\td\tentailment\n")
    assert read_split(TASKS["RTE"], "train", tmp_path).targets.tolist() == [1, 0]
    header = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
    put(tmp_path, "STS-B/train.tsv", f"{header}0\tg\tf\ty\t1\tn\tn\ta\tb\t3.800\n")
    np.testing.assert_array_equal(read_split(TASKS["STS-B"], "train", tmp_path).targets, [[3.8]])
    put(tmp_path, "STS-B/dev.tsv", f"{header}0\tg\tf\ty\t1\tn\tn\ta\tb\t7\n")
    with pytest.raises(DataError, match=r"example 1: the label '7' of STS-B is not a number from 0 to 5"):
        read_split(TASKS["STS-B"], "dev", tmp_path)
    put(tmp_path, "RTE/dev.tsv", "sentence1\tlabel\na\tentailment\n")
    with pytest.raises(DataError, match=r"dev.tsv, line 1: no column 'sentence2'"):
        read_split(TASKS["RTE"], "dev", tmp_path)


def test_rows_with_a_wrong_number_of_columns_are_left_out_and_counted(tmp_path, caplog):
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    put(tmp_path, "QQP/train.tsv", f"{header}0\t1\t2\ta\tb\t1\n1\t2\tlost\n2\t1\t2\tc\td\t0\n")
    assert read_split(TASKS["QQP"], "train", tmp_path).sequences == ["a\tb", "c\td"]
    assert "left out: 1, the first on line 3" in caplog.text


def test_one_text_of_a_pair_may_be_empty_as_in_two_rows_of_qqp_but_not_both(tmp_path):
    header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    put(tmp_path, "QQP/train.tsv", f"{header}0\t1\t2\ta  b\t\t0\n1\t1\t2\tc\td\t1\n")
    assert read_split(TASKS["QQP"], "train", tmp_path).sequences == ["a b\t", "c\td"]
    put(tmp_path, "QQP/dev.tsv", f"{header}0\t1\t2\t\t \t0\n")
    with pytest.raises(DataError, match=r"dev.tsv, example 1: it has no text. Give the files as they were published."):
        read_split(TASKS["QQP"], "dev", tmp_path)


def test_the_hub_gives_the_same_under_its_own_names(monkeypatch):
    asked = []

    def load_dataset(*given, split):
        asked.append((*given, split))
        return datasets.Dataset.from_dict({"premise": ["a"], "hypothesis": ["b"], "label": [2], "idx": [0]})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = read_split(TASKS["MNLI"], "dev_matched", None)
    assert asked == [("nyu-mll/glue", "mnli", "validation_matched")]
    assert (found.sequences, found.targets.tolist()) == (["a\tb"], [2])


def test_tasks_are_chosen_by_name_or_by_the_files_present_in_a_fixed_order(tmp_path):
    assert [task.name for task in chosen(["rte", "MNLI"], None)] == ["MNLI", "RTE"]
    assert len(chosen([], None)) == 8
    for name in ("RTE.train.tsv", "RTE.dev.tsv", "QNLI.dev.tsv"):
        put(tmp_path, name, "x")
    assert [task.name for task in chosen([], tmp_path)] == ["RTE"]
    with pytest.raises(SettingsError, match="unknown task 'SST'; use some of: MNLI, QQP"):
        chosen(["SST"], None)
    with pytest.raises(DataError, match=r"no train of QNLI here \(QNLI/train.tsv"):
        read_split(TASKS["QNLI"], "train", tmp_path)


def test_the_real_files_have_as_many_examples_as_were_published(shared_data):
    counts = {"CoLA": 1043, "MRPC": 408, "STS-B": 1500, "RTE": 277, "SST-2": 872, "QNLI": 5463}
    folder = shared_data / "text" / "glue"
    assert {name: len(read_split(TASKS[name], "dev", folder).sequences) for name in counts} == counts


PUBLISHED = {
    "MNLI": (5e-5, 3, 48, ("accuracy",), ("entailment", "neutral", "contradiction"), False),
    "QQP": (3e-5, 5, 16, ("accuracy", "f1"), ("not_duplicate", "duplicate"), False),
    "QNLI": (1e-5, 10, 16, ("accuracy",), ("entailment", "not_entailment"), False),
    "SST-2": (3e-5, 3, 16, ("accuracy",), ("negative", "positive"), False),
    "CoLA": (5e-5, 10, 32, ("mcc",), ("unacceptable", "acceptable"), False),
    "STS-B": (3e-5, 10, 32, ("pearson", "spearman"), (), True),
    "MRPC": (8e-5, 10, 32, ("accuracy", "f1"), ("not_equivalent", "equivalent"), True),
    "RTE": (1e-5, 3, 16, ("accuracy",), ("entailment", "not_entailment"), True),
}
"""MosaicBERT's rate, epochs, batch and start from MNLI; GLUE's metrics, and classes in the hub's order."""


def test_tasks_are_trained_scored_and_numbered_as_published():
    found = {
        name: (x.learning_rate, x.epochs, x.batch_size, x.metrics, x.classes, x.from_mnli) for name, x in TASKS.items()
    }
    assert found == PUBLISHED
