import pytest
import torch
from torch._dynamo.utils import counters

from genomask.encoders import flex as flex_backend


@pytest.fixture
def fresh_compiler():
    """No graph is compiled, no kernel of our own was asked for, and PyTorch's limit of recompilations is its own."""
    flex_backend.kernel.cache_clear()
    torch._dynamo.reset()
    counters.clear()
    with torch._dynamo.config.patch(recompile_limit=8):
        yield
    torch._dynamo.reset()
    flex_backend.kernel.cache_clear()
