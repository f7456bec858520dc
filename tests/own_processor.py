"""Exits with 0 where a run of `make test-processors`, as no-avx2-1, is what `make test` is on this machine anyway."""

import sys

import torch

from genomask.machine.processor import multiplies_in_bf16

if __name__ == "__main__":
    units = "yes" if multiplies_in_bf16() else "no"
    own = f"{units}-{torch.backends.cpu.get_cpu_capability().lower()}-1"
    if sys.argv[1] == own:
        print(f"{own} is this machine: make test has that run")
    sys.exit(sys.argv[1] != own)
