import subprocess
import sys

import pytest

N = 6144
"""Tokens of the one sequence."""
MEMORY = f"""
import resource, torch
from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout
from genomask.encoders.sdpa import sdpa
torch.set_num_threads(1)
taken = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = taken()
for backward in (False, True):
    q, k, v = torch.randn(3, {N}, 1, 8).requires_grad_(backward).unbind(0)
    out = sdpa(q, k, v, None, Layout(torch.tensor([0, {N}], dtype=torch.int32), {N}, alibi_slopes(1)))
    if backward:
        out.sum().backward()
    print((taken() - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts KiB on Linux")
def test_long_sequences_take_far_less_memory_than_their_scores():
    """Forward alone and then backward too, in a process whose peak of memory is its own."""
    answer = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    alone, backward = map(int, answer.stdout.split())
    assert alone < N * N * 4 / 4
    assert backward < N * N * 4 / 4
