"""The kernels that need a GPU, against the float64 twin; skipped without one."""

import pytest
import torch
from gpu_checks import checks

from genomask.encoders.backends import NEEDS

GPU = torch.device("cuda")
ASKED = [
    pytest.param(check, backend, id=f"{backend}: {check.sentence}") for check in checks() for backend in check.backends
]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize(("check", "backend"), ASKED)
def test_on_a_gpu(check, backend):
    if not NEEDS[backend][0](GPU):
        pytest.skip(f"needs {NEEDS[backend][1]}")
    check.run(GPU, backend)
