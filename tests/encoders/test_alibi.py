import pytest
import torch
from reference import reference_bias, reference_slopes
from torch.utils._python_dispatch import TorchDispatchMode

from genomask.encoders.alibi import alibi_bias, alibi_slopes


def test_twelve_and_six_heads_have_the_published_slopes_unsorted():
    twelve = [2.0**-h for h in range(1, 9)] + [0.7071, 0.3536, 0.1768, 0.0884]
    assert alibi_slopes(12).tolist() == pytest.approx(twelve, abs=1e-4)
    assert alibi_slopes(6).tolist() == [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6, 7, 8, 12, 16, 24])
def test_slopes_are_those_of_the_definition(heads):
    assert torch.equal(alibi_slopes(heads), torch.tensor(reference_slopes(heads)))


class WithoutFloat64(TorchDispatchMode):
    """Refuses float64, which Apple's GPUs lack, and copies from the host's memory."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        assert made.dtype != torch.float64
        assert made.device.type == "meta"
        return made


def test_slopes_are_made_on_the_device_without_float64():
    with WithoutFloat64():
        slopes = alibi_slopes(12, device="meta")
    assert (slopes.shape, slopes.dtype) == ((12,), torch.float32)


@pytest.mark.parametrize("directed", [False, True])
def test_bias_falls_with_distance_and_hides_one_side_where_directed(directed):
    slopes = alibi_slopes(3)
    expected = torch.stack([reference_bias(7, s, n, directed) for n, s in enumerate(slopes.tolist(), start=1)])
    assert torch.equal(alibi_bias(slopes, 7, directed).double(), expected)


def test_bias_counts_long_distances_exactly():
    bias = alibi_bias(torch.tensor([1.0]), 1025, directed=False)
    assert bias[0, 0, 513] == -513
    assert bias[0, 1024, 0] == -1024
