import numpy as np
import torch

from genomask.data.tasks import LabelledTask
from genomask.fewshot.cnn import cnn_scorer, one_hot, small_cnn


def test_bases_are_one_hot_and_other_letters_and_padding_are_zero():
    columns = one_hot(["ACGTN", "gt"], 6)
    assert columns.sum(dim=1).tolist() == [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]]
    assert columns.argmax(dim=1)[0, :4].tolist() == [0, 1, 2, 3]
    assert columns.argmax(dim=1)[1, :2].tolist() == [2, 3]


def test_the_network_is_the_published_one_and_takes_a_sequence_of_any_length():
    convolutions = [layer for layer in small_cnn(length=70, n_classes=2) if isinstance(layer, torch.nn.Conv1d)]
    assert [(x.out_channels, x.kernel_size) for x in convolutions] == [(16, (8,)), (8, (8,)), (4, (8,))]
    for length in (1, 2, 7, 8, 70):
        assert small_cnn(length, 3)(torch.zeros((2, 4, length))).shape == (2, 3)


def test_it_learns_an_order_of_bases_and_repeats_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    noise = ["".join(rng.choice(list("ACGT"), 24)) for _ in range(60)]
    sequences = [x[:8] + ("GATTACCA", "ACCATTAG")[at % 2] + x[16:] for at, x in enumerate(noise)]
    task = LabelledTask("order", sequences, np.arange(60) % 2, ["a", "b"], tmp_path)
    scorer = cnn_scorer(task, task)
    found = scorer(np.arange(30), 15, 0)
    torch.rand(3)
    np.testing.assert_array_equal(scorer(np.arange(30), 15, 0), found)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found.argmax(axis=1) == task.labels)[30:].mean() > 0.8
