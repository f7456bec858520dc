"""Tables of examples: their kind, what is read, and the error for each way one can be bad."""

import numpy as np
import pytest

from genomask.data.examples import NUMBER, ONE, SEVERAL, ExampleColumns, read_examples
from genomask.errors import DataError, SettingsError

USUAL = ExampleColumns()
SCORE = ExampleColumns(target="score")
TWO = ExampleColumns(labels=("a", "B"))


@pytest.fixture
def write(tmp_path):
    def write(text, name="t.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_word_classes_are_in_alphabetic_and_number_classes_in_numeric_order(write):
    found = read_examples(write("sequence,label\nacgu,two  words\nNNA,a\nTT,a\n"), USUAL)
    assert (found.problem, found.classes, found.sequences) == (ONE, ["a", "two words"], ["ACGT", "NNA", "TT"])
    assert found.targets.tolist() == [1, 0, 0]
    assert read_examples(write("sequence,label\nA,10\nC,9\n"), USUAL).classes == ["9", "10"]


def test_a_semicolon_in_any_row_means_several_labels_and_an_empty_cell_none(write):
    found = read_examples(write("label,sequence\nb; a;,ACG\n,TTT\nb,GGG\n"), USUAL)
    assert (found.problem, found.classes) == (SEVERAL, ["a", "b"])
    assert found.targets.tolist() == [[1, 1], [0, 0], [0, 1]]


def test_several_columns_of_0_and_1_are_labels_named_after_the_columns(write):
    found = read_examples(write("A,sequence,b\n1,ACG,0\n0,TTT,0\n"), TWO)
    assert (found.problem, found.classes, found.targets.tolist()) == (SEVERAL, ["a", "B"], [[1, 0], [0, 0]])


def test_a_target_is_read_as_numbers(write):
    found = read_examples(write("sequence,score,label\nACG,-1.5e2,x\nTTT,0,x\n"), SCORE)
    assert (found.problem, found.classes, found.targets.tolist()) == (NUMBER, ["score"], [[-150.0], [0.0]])


def test_a_second_table_has_the_kind_and_classes_of_the_first(write):
    first = read_examples(write("sequence,label\nA,x\nC,y\nG,z\n"), USUAL)
    second = read_examples(write("sequence,label\nA,z\n", "v.csv"), USUAL, like=first)
    assert (second.problem, second.classes, second.targets.tolist()) == (ONE, first.classes, [2])
    first = read_examples(write("sequence,label\nA,x;y\nC,y\n"), USUAL)
    second = read_examples(write("sequence,label\nA,y\n", "v.csv"), USUAL, like=first)
    assert (second.problem, second.targets.tolist()) == (SEVERAL, [[0, 1]])
    first = read_examples(write("sequence,score\nA,1\nC,2\n"), SCORE)
    assert read_examples(write("sequence,score\nA,5\n"), SCORE, like=first).targets.tolist() == [[5]]


MEASURED = "".join(f"ACGT,{n / 7}\n" for n in range(50))
BAD = [
    (USUAL, "sequence,class\nA,x\n", "no column 'label' among: sequence, class. .* name it with --label-column"),
    (TWO, "sequence,a\nA,1\n", "no column 'b' among: sequence, a. .* name it with --label-column"),
    (SCORE, "sequence,label\nA,x\n", "no column 'score' among: sequence, label. .* name it with --target"),
    (USUAL, "dna,label\nA,x\n", "no column 'sequence' among: dna, label. .* name it with --sequence-column"),
    (USUAL, "sequence,label\n", "no rows below the header"),
    (USUAL, "sequence,label\nA,x\nC,x\n", "'x' is the only label, in 2 rows; a task needs at least two classes"),
    (USUAL, "sequence,label\nA,x\nC,\n", "row 3: the label is empty"),
    (USUAL, "sequence,label\nA,x\n,y\n", "row 3: the sequence is empty"),
    (USUAL, "sequence,label\nA,x\nAC!,y\n", "row 3: '!' at position 3 is not a letter of DNA"),
    (USUAL, "sequence,label\nA,x;x\nC,\n", "no label except 'x'"),
    (USUAL, "sequence,label\nA,;\nC,;;\n", "no label except ''"),
    (USUAL, f"sequence,label\n{MEASURED}", "look like measurements .* name their column with --target"),
    (TWO, "sequence,a,b\nA,1,0\nC,yes,0\n", "row 3: 'yes' in a column of labels, which must be 0 or 1"),
    (SCORE, "sequence,score\nA,1\nC,\n", "row 3: the target '' is not a number"),
    (SCORE, "sequence,score\nA,1\nC,nan\n", "row 3: the target 'nan' is not a number"),
    (SCORE, "sequence,score\nA,1\nC,-inf\n", "row 3: the target '-inf' is not a number"),
    (SCORE, "sequence,score\nA,1\nC,1e99\n", "row 3: the target '1e99' is not a number of at most 1e\\+30"),
    (SCORE, "sequence,score\nA,1\nC,1_0\n", "row 3: the target '1_0' is not a number"),
    (SCORE, "sequence,score\nA,7\nC,7.0\n", "column 'score' has only 7, in 2 rows"),
]


@pytest.mark.parametrize(("columns", "text", "said"), BAD)
def test_a_bad_table_is_refused_with_the_reason(write, columns, text, said):
    with pytest.raises(DataError, match=said):
        read_examples(write(text), columns)


@pytest.mark.parametrize(("labels", "other"), [("x y", "z"), ("x;y y", "x;z")])
def test_a_label_missing_from_training_is_named_with_its_row(write, labels, other):
    first = read_examples(write("sequence,label\n" + "".join(f"A,{label}\n" for label in labels.split())), USUAL)
    with pytest.raises(DataError, match=r"v.csv, row 3: label 'z' is not in the training file .* are x, y. Give both"):
        read_examples(write(f"sequence,label\nA,x\nC,{other}\n", "v.csv"), USUAL, like=first)


@pytest.mark.parametrize("labels", [(), ("a", "A")])
def test_label_columns_must_be_at_least_one_and_different(labels):
    with pytest.raises(SettingsError, match="--label-column takes one name, or different ones"):
        ExampleColumns(labels=labels)


def test_targets_may_be_constant_where_nothing_is_learnt_from_them(write):
    first = read_examples(write("sequence,score\nA,1\nC,2\n"), SCORE)
    np.testing.assert_array_equal(read_examples(write("sequence,score\nA,2\nG,2\n"), SCORE, first).targets, [[2], [2]])
