import subprocess
import sys

import pytest

MEMORY = """
import resource, torch
from genomask.encoders.alibi import alibi_slopes
from genomask.encoders.attention import Layout
from genomask.encoders.sdpa import sdpa
torch.set_num_threads(1)
n, backward = {n}, {backward}
q, k, v = torch.randn(3, n, 1, 8).requires_grad_(backward).unbind(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = sdpa(q, k, v, None, Layout(torch.tensor([0, n], dtype=torch.int32), n, alibi_slopes(1)))
if backward:
    out.sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts KiB on Linux")
@pytest.mark.parametrize(("n", "backward"), [(8192, True), (8192, False)])
def test_long_sequences_take_far_less_memory_than_their_scores(n, backward):
    code = MEMORY.format(n=n, backward=backward)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(answer.stdout) < n * n * 4 / 4
