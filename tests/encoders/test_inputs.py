"""Wrong packed inputs are refused before anything is computed."""

import pytest
import torch

from genomask.encoders.inputs import Given
from genomask.errors import DataError


def packed(borders, longest, device="cpu"):
    """Twelve tokens between these borders."""
    ids, borders = torch.ones(12, dtype=torch.long, device=device), torch.tensor(borders, dtype=torch.int32)
    return Given(ids, cu_seqlens=borders.to(device), max_seqlen=longest).packed(vocab_size=70)[0]


@pytest.mark.parametrize(
    ("borders", "longest", "message"),
    [
        ([0, 5, 10], 7, "cu_seqlens goes from 0 to 10; it must begin at 0, never decrease, and end at the 12 tokens"),
        ([0, 5, 14], 9, "from 0 to 14"),
        ([2, 5, 12], 7, "from 2 to 12"),
        ([0, 8, 5, 12], 8, "never decrease"),
        ([0], 1, "from 0 to 0"),
        ([0, 5, 12], 6, "max_seqlen is 6, but the longest sequence has at least 7 tokens"),
        ([0, 5, 12], None, r"packed input \(cu_seqlens\) needs max_seqlen too"),
        ([[0, 12]], 12, r"cu_seqlens has shape \(1, 2\); it must be \(sequences \+ 1,\)"),
        ([], 12, r"cu_seqlens has shape \(0,\)"),
    ],
)
def test_packed_input_with_wrong_borders_is_refused(borders, longest, message):
    with pytest.raises(DataError, match=message):
        packed(borders, longest)


def test_empty_sequences_and_a_max_seqlen_above_the_longest_are_accepted():
    assert packed([0, 0, 5, 5, 12, 12, 12], 7).max_seqlen == 7
    assert packed([0, 5, 12], 100).max_seqlen == 100
    nothing = Given(torch.zeros(0, dtype=torch.long), cu_seqlens=torch.zeros(1, dtype=torch.int32), max_seqlen=0)
    assert len(nothing.packed(vocab_size=70)[0].places) == 0


def test_borders_on_another_device_are_counted_but_not_read():
    assert packed([0, 5, 10], 7, device="meta").max_seqlen == 7
    with pytest.raises(DataError, match="max_seqlen is 5, but the longest sequence has at least 6 tokens"):
        packed([0, 5, 12], 5, device="meta")
