import pytest
import torch
from torch._dynamo.utils import counters

from genomask.encoders import flex as flex_backend


@pytest.fixture
def fresh_compiler():
    """Start with no graph and no kernel of ours compiled, and with PyTorch's own limit of recompilations."""
    flex_backend.kernel.cache_clear()
    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(recompile_limit=8):
        yield
    torch._dynamo.reset()
    flex_backend.kernel.cache_clear()
