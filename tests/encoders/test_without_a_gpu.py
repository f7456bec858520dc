"""What can be tested of the GPU code without a GPU.

Flex is compiled for the CPU, and the encoder is traced with fake tensors on `cuda`, which have a device and a shape
but no numbers: code that reads one fails.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packed_attention import POSITIONS, layout_of, packed_qkv, some_queries
from reference import reference_attention

from genomask.encoders.flex import flex
from genomask.training.compiling import CPU_COMPILERS

pytestmark = pytest.mark.rehearsal
COMPILER = shutil.which("g++")
GUARD = """
#include <c10/core/impl/DeviceGuardImplInterface.h>
static c10::impl::DeviceGuardImplRegistrar cuda(
    c10::DeviceType::CUDA, new c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA>());
"""
"""Without this, a PyTorch built without CUDA refuses the device even to fake tensors."""


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.skipif(not any(map(shutil.which, CPU_COMPILERS)), reason="no C++ compiler found: apt install g++")
def test_flex_compiled_for_the_cpu_is_the_plain_formula():
    q, k, v, cu_seqlens = (x.float() if x.is_floating_point() else x for x in packed_qkv([64, 1, 129]))
    layout, queries = layout_of(cu_seqlens, 4, "alibi-directed"), some_queries(len(q))
    exact = reference_attention(q.double(), k.double(), v.double(), cu_seqlens, "alibi-directed")
    with torch.no_grad():  # FlexAttention has no backward pass on the CPU
        assert torch.allclose(flex(q[queries], k, v, queries, layout).double(), exact[queries], atol=1e-5)


@pytest.mark.skipif(COMPILER is None, reason="no g++ found: apt install g++")
def test_the_encoder_is_one_graph_on_cuda_and_asks_the_host_for_nothing(tmp_path):
    guard, source = tmp_path / "guard.so", tmp_path / "guard.cpp"
    source.write_text(GUARD)
    torch_folder = Path(torch.__file__).parent
    words = [COMPILER, "-O0", "-shared", "-fPIC", "-std=c++20", f"-I{torch_folder / 'include'}", str(source)]
    subprocess.run([*words, "-o", str(guard), f"-L{torch_folder / 'lib'}", "-lc10"], check=True)
    variants = [*({"positions": name} for name in POSITIONS), {"stem_width": 9, "stem_fraction": 0.5}]
    program = f"import traced_on_cuda; traced_on_cuda.main({str(guard)!r}, {variants!r})"
    folders = [Path(__file__).parent, Path(__file__).parents[1]]
    setup = f"import sys; sys.path[:0] = {list(map(str, folders))!r}; "
    answer = subprocess.run([sys.executable, "-c", setup + program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == ["cuda:0", "1", "0"] * len(variants)
