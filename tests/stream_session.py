"""Runs `genomask pretrain --corpus c4` against a hub on this machine, and prints how its runs ended.

A process of its own, because the hub's address is read when its client is imported. Arguments: a recipe, a shard,
BERT's vocab.txt, a folder.

The hub is busy once and cuts a connection once, in the middle of what a run reads. A second data set is one Parquet
file, without a configuration or a validation split.
"""

import functools
import gzip
import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from loopback_hub import serving

CARD = """---
configs:
- config_name: en
  data_files:
  - {split: train, path: en/c4-train.*.json.gz}
  - {split: validation, path: en/c4-validation.*.json.gz}
---
"""


def main() -> None:
    recipe, shard, vocabulary, folder = sys.argv[1:]
    data = Path(shard).read_bytes()
    shards = {f"en/c4-{split}.json.gz": data for split in ("train.0-of-2", "train.1-of-2", "validation.0-of-1")}
    table = {"datasets/some/table": {"data/train-0.parquet": parquet(gzip.decompress(data).decode().splitlines())}}
    repositories = {"datasets/allenai/c4": {"README.md": CARD.encode(), **shards}, **table}
    faults = {"en/c4-train.0-of-2.json.gz": ["busy", "cut"], "data/train-0.parquet": ["cut"]}
    with serving(repositories, faults) as (url, asked):
        os.environ |= {"HF_ENDPOINT": url, "HF_HOME": f"{folder}/hf", "HF_HUB_OFFLINE": "0"}
        run = functools.partial(pretrain, recipe, folder)
        ended = {"stopped": run("learned", stop_at=3)}
        repositories["bert-base-uncased"] = {"vocab.txt": Path(vocabulary).read_bytes()}
        ended |= {"resumed": run("learned", "--resume"), "bert": run("bert")}
        ended |= {"table": run("table", "--set", "documents.column=said", corpus="hf:some/table")}
        assert not any(faults.values())
    ended["unreachable"] = run("unreachable")
    print(json.dumps({"ended": ended, "asked": asked}))


def parquet(lines: list[str]) -> bytes:
    """The texts as a column called `said`."""
    out = io.BytesIO()
    pq.write_table(pa.table({"said": [json.loads(line)["text"] for line in lines]}), out)
    return out.getvalue()


def pretrain(recipe: str, folder: str, out: str, *more: str, corpus: str = "c4", stop_at: int = 0) -> tuple[int, float]:
    """Exit code and seconds of one command."""
    from genomask.cli import app as cli
    from genomask.commands.run_folder import report as run_report
    from genomask.training import loop

    run_report.learning_curves = lambda *_: None  # the pictures take longer than the rest

    train_one = loop.one_step

    def one_step(run: loop.Run, state: loop.State, batch: loop.StepBatches) -> None:
        train_one(run, state, batch)
        if state.done == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    sys.argv = ["genomask", "pretrain", "--corpus", corpus, "--recipe", recipe, "--out", f"{folder}/{out}", *more]
    since = time.monotonic()
    loop.one_step = one_step
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0), time.monotonic() - since
    finally:
        loop.one_step = train_one
    return 0, time.monotonic() - since


if __name__ == "__main__":
    main()
