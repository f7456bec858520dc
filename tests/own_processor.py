"""Runs of `make test-processors`, such as no-avx2-1: this machine's own, and the one that differs in everything.

With the name of a run, exits with 0 if `make test` is that run on this machine anyway; without one, prints the other.
"""

import sys

import torch

from genomask.machine.processor import multiplies_in_bf16

if __name__ == "__main__":
    units, vectors = "yes" if multiplies_in_bf16() else "no", torch.backends.cpu.get_cpu_capability().lower()
    if len(sys.argv) == 1:
        print("no" if units == "yes" else "yes", "avx2" if vectors == "default" else "default", 2, sep="-")
        sys.exit()
    own = f"{units}-{vectors}-1"
    if sys.argv[1] == own:
        print(f"{own} is this machine: make test has that run")
    sys.exit(sys.argv[1] != own)
