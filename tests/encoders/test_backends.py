import pytest
import torch

from genomask.encoders import backends
from genomask.encoders.backends import BACKENDS, NEEDS, choose_backend, slow_because
from genomask.errors import SettingsError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def machine(monkeypatch):
    """Sets which packages are installed, how old the GPU is, and whether C can be compiled."""

    def of(packages, capability=(9, 0), builds_c=True):
        monkeypatch.setattr(backends, "builds_c", lambda: builds_c)
        monkeypatch.setattr(backends, "is_installed", lambda name: name in packages)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)

    return of


@pytest.mark.parametrize(
    ("packages", "capability", "dtype", "chosen"),
    [
        ({"flash_attn", "triton"}, (9, 0), torch.bfloat16, "flash"),
        ({"flash_attn", "triton"}, (9, 0), torch.float32, "flex"),
        ({"triton"}, (9, 0), torch.bfloat16, "flex"),
        ({"triton", "flash_attn"}, (7, 5), torch.bfloat16, "sdpa"),
        ({"triton"}, (8, 0), torch.float32, "flex"),
        (set(), (9, 0), torch.bfloat16, "sdpa"),
    ],
)
def test_auto_takes_the_fastest_that_runs_on_the_gpu(machine, packages, capability, dtype, chosen):
    machine(packages, capability)
    assert choose_backend("auto", GPU, dtype) == chosen


def test_without_a_c_compiler_or_pythons_headers_flex_is_passed_over_with_a_reason(machine):
    machine({"triton"}, builds_c=False)
    assert choose_backend("auto", GPU) == "sdpa"
    assert "slow on a GPU and leaves models uncompiled; flex needs" in slow_because("sdpa", GPU)
    assert "a C compiler with Python's headers" in slow_because("sdpa", GPU)
    assert not slow_because("flex", GPU)
    assert not slow_because("sdpa", CPU)


@pytest.mark.parametrize("compiler", ["", "gcc", "clang", "CC"])
@pytest.mark.parametrize("has_headers", [True, False])
def test_c_is_built_with_a_compiler_and_pythons_headers(compiler, has_headers, monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    if compiler == "CC":
        monkeypatch.setenv("CC", "/opt/tools/cc")
    monkeypatch.setattr(backends.shutil, "which", lambda name: name if name == compiler else None)
    monkeypatch.setattr(backends.sysconfig, "get_path", lambda _: str(tmp_path))
    if has_headers:
        (tmp_path / "Python.h").touch()
    backends.builds_c.cache_clear()
    try:
        assert backends.builds_c() == bool(compiler and has_headers)
    finally:
        backends.builds_c.cache_clear()


def test_on_the_cpu_auto_is_sdpa_whatever_is_installed(machine):
    machine({"flash_attn", "triton"})
    assert choose_backend("auto", CPU) == "sdpa"


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("flash", GPU, r"'flash' is not available on cuda; use one of: auto, sdpa; .*pip install 'genomask\[flash\]'"),
        ("flex", GPU, r"'flex' is not available on cuda; use one of: auto, sdpa; .*pip install triton"),
        ("flash", CPU, "'flash' is not available on cpu; use one of: auto, sdpa; 'flash' needs a CUDA GPU"),
        ("magic", CPU, "'magic' is not available on cpu; use one of: auto, sdpa$"),
    ],
)
def test_an_unavailable_backend_is_refused_with_how_to_get_it(machine, name, device, message):
    machine(set())
    with pytest.raises(SettingsError, match=message):
        choose_backend(name, device)


def test_flash_asked_for_in_fp32_is_refused(machine):
    machine({"flash_attn", "triton"})
    assert choose_backend("flash", GPU, torch.float16) == "flash"
    with pytest.raises(SettingsError, match="bf16 or fp16 only; set training"):
        choose_backend("flash", GPU, torch.float32)


def test_every_need_belongs_to_a_backend():
    assert NEEDS.keys() <= BACKENDS.keys()
