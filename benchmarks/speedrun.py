"""How soon does an encoder know as much as HF BERT, trained by DNABERT's recipe, knows at the end of its budget?

Every arm is a recipe (speedrun_arms.py), trained on the same genome for the same CPU seconds, its schedule stretched
over them, and scored on the same held-out windows under the same masks: bits per hidden base. The arms take turns, from
one validation to the next; seconds of validation do not count. The target of each seed is what the first arm reaches in
its whole budget. The table has each arm's seconds and tokens to the target, and splits the factor into tokens a second
(throughput) and tokens needed. What the record so far reaches in its budget is a second target. Finished runs are kept
in the JSON and not repeated; a file whose runs have another recipe is refused. Text runs in the same way, to nats per
masked token.

    python benchmarks/speedrun.py human/*.fa.gz
    python benchmarks/speedrun.py human/*.fa.gz --budget 60 --seeds 1
    python benchmarks/speedrun.py human/*.fa.gz --arms logo
    python benchmarks/speedrun.py human/*.fa.gz --arms switches
    python benchmarks/speedrun.py wikitext2/train.jsonl.gz --arms text
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from machine import describe_machine, run_script, save
from speedrun_arms import COMPUTED, MATCHED, RACES, Arm
from speedrun_lap import Lap, marks
from speedrun_table import draw, sentences, summary
from tables import section

from genomask.settings.ranges import require_one_of

HERE = Path(__file__).parent


def main(
    files: Annotated[list[Path], typer.Argument(help="FASTA files; for text a corpus.")],
    budget: Annotated[float, typer.Option(help="CPU seconds of a run.")] = 600.0,
    seeds: Annotated[int, typer.Option(help="Runs of each arm.")] = 3,
    arms: Annotated[str, typer.Option(help=f"One of {', '.join(RACES)}.")] = "race",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
    out: Annotated[Path | None, typer.Option(help="JSON file. Default: in results/.")] = None,
    picture: Annotated[Path | None, typer.Option(help="SVG file of the curves.")] = None,
) -> None:
    """Run what is not finished, print the table, and write JSON and picture."""
    require_one_of("--arms", arms, RACES)
    torch.set_num_threads(threads)
    out = out or HERE / "results" / f"speedrun-{arms}.json"
    race = RACES[arms]
    settings = " ".join((*MATCHED[race.before.settings(0).kind], *COMPUTED, *race.changes))
    setup = {"files": [path.name for path in files], "budget_cpu_s": budget, "settings": settings}
    result = {"benchmark": "speedrun", "machine": describe_machine(torch.device("cpu")), "setup": setup, "runs": []}
    entrants = [replace(arm, changes=(*arm.changes, *race.changes)) for arm in race.arms]
    result["runs"] = finished(out, setup, entrants)
    for seed in range(seeds):
        done = {run["arm"] for run in result["runs"] if run["seed"] == seed}
        missing = [arm for arm in entrants if arm.name not in done]
        result["runs"] += run_arms(missing, seed, files, budget)
        result |= {"rows": summary(result["runs"], race), "verdict": sentences(result["runs"], race)}
        save(out, result)
    print(section(result))
    if picture:
        draw(result["runs"], race, picture)


def finished(out: Path, setup: dict, arms: Sequence[Arm]) -> list[dict]:
    """The runs of an earlier call with the same setup; SystemExit for a file of another setup or other recipes."""
    if not out.exists():
        return []
    before = json.loads(out.read_text(encoding="utf-8"))
    if before["setup"] != setup:
        raise SystemExit(f"{out} holds runs of another setup ({before['setup']}); give another --out")
    now = {arm.name: arm for arm in arms}
    kept = [run for run in before["runs"] if run["arm"] in now]
    changed = {run["arm"] for run in kept if run.get("recipe") != now[run["arm"]].digest(run["seed"])}
    if changed:
        names = ", ".join(sorted(changed))
        raise SystemExit(f"{out} holds runs whose recipe has changed or was not recorded ({names}); give another --out")
    return before["runs"]


def run_arms(arms: Sequence[Arm], seed: int, paths: Sequence[Path], budget: float) -> list[dict]:
    """Run the arms in turns, from one validation to the next, after a step of each that does not count."""
    files = tuple(map(str, paths))
    for arm in arms:
        Lap(arm, seed, files, budget).step()
    laps = [Lap(arm, seed, files, arm.fraction * budget) for arm in arms]
    for turn in zip(*(marks(lap.budget) for lap in laps), strict=True):
        for lap, until in zip(laps, turn, strict=True):
            lap.advance(until)
            print(f"seed {seed}, {lap.arm.name}: {lap.curve[-1]}", flush=True)
    return [
        {
            "arm": lap.arm.name,
            "recipe": lap.arm.digest(seed),
            "seed": seed,
            "budget": lap.budget,
            "floor": lap.floor(),
            "curve": lap.curve,
        }
        for lap in laps
    ]


if __name__ == "__main__":
    run_script(main)
