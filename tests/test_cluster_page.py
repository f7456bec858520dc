"""The snippets of docs/cluster.md: shell, torchrun's own options, and a job that survives preemption."""

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from torch.distributed.run import get_args_parser

PAGE = Path(__file__).parents[1] / "docs" / "cluster.md"
SNIPPETS = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
JOB = next(snippet for snippet in SNIPPETS if "#SBATCH" in snippet)

SRUN = """#!/bin/bash
echo "$@" > started
trap 'sleep 0.2; touch saved; exit 1' TERM
while true; do sleep 0.05; done
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo node1; echo node2; else [ -f saved ] && echo "$@" > queued; fi
"""


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.split()[0])
def test_every_snippet_is_shell_and_its_torchrun_options_exist(snippet):
    assert subprocess.run(["bash", "-n"], input=snippet, text=True, check=False).returncode == 0
    line = next(line for line in snippet.replace("\\\n", " ").splitlines() if "torchrun" in line and line[0] != "#")
    words = shlex.split(line.replace('"$SLURM_NNODES"', "2").partition("torchrun ")[2].rstrip("& "))
    given = get_args_parser().parse_args(words)
    assert given.module
    assert given.training_script == "genomask"
    assert given.training_script_args[0] == "pretrain"


def test_a_preempted_job_waits_for_the_checkpoint_and_queues_itself_again(tmp_path):
    for name, script in (("srun", SRUN), ("scontrol", SCONTROL)):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "config.toml").touch()
    (tmp_path / "job.sh").write_text(JOB.replace("OUT=/data/runs/hg38", f"OUT={tmp_path}"))
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "node[1-2]"}
    job = subprocess.Popen(
        ["bash", "job.sh"], cwd=tmp_path, env=os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)  # until its trap is set
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 0
    assert (tmp_path / "queued").read_text() == "requeue 7\n"
    started = (tmp_path / "started").read_text()
    assert "--rdzv-endpoint node1:29500 --rdzv-id 7" in started
    assert started.rstrip().endswith("--resume")
