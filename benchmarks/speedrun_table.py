"""From the runs of a speedrun to its table, its sentences and its picture."""

import math
import statistics
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
from scipy.stats import ttest_rel
from speedrun_arms import TARGET, TINY

LEAST_SEEDS = 3
"""For a test."""


def reached(curve: list[dict], target: float) -> dict | None:
    """The first validation at or below the target."""
    return next((row for row in curve if row["bits"] <= target), None)


def targets(runs: list[dict]) -> dict[int, float]:
    """By seed, whose held-out windows are its own: the bits that arm TARGET has at the end of its budget."""
    return {run["seed"]: run["curve"][-1]["bits"] for run in runs if run["arm"] == TARGET}


def times_sooner(run: dict, peer: dict, target: float) -> dict[str, float] | None:
    """How many times fewer CPU seconds than the peer's run of that seed; from throughput and from tokens apart."""
    mine, theirs = reached(run["curve"], target), reached(peer["curve"], target)
    if mine is None or theirs is None:
        return None
    tokens = theirs["tokens"] / mine["tokens"]
    seconds = theirs["cpu_s"] / mine["cpu_s"]
    return {"sooner": seconds, "from_throughput": seconds / tokens, "from_tokens": tokens, **mine}


def summary(runs: list[dict]) -> list[dict]:
    """A row for each arm, medians over the seeds that reached the target of their seed."""
    wanted, by_arm = targets(runs), defaultdict(list)
    peers = {run["seed"]: run for run in runs if run["arm"] == TARGET}
    for run in runs:
        if run["seed"] in wanted:
            by_arm[run["arm"]].append(run)
    return [_row(arm, of_arm, peers, wanted) for arm, of_arm in by_arm.items()]


def _row(arm: str, runs: list[dict], peers: dict[int, dict], wanted: dict[int, float]) -> dict:
    ends = [run["curve"][-1] for run in runs]
    found = [times_sooner(run, peers[run["seed"]], wanted[run["seed"]]) for run in runs]
    there = [times for times in found if times is not None]
    row = {
        "side": arm,
        "seeds": len(runs),
        "budget_cpu_s": runs[0]["budget"],
        "bits_at_end": round(statistics.mean(end["bits"] for end in ends), 4),
        "tokens_per_cpu_s": statistics.median(end["tokens"] / end["cpu_s"] for end in ends),
        "reached_by": len(there),
    }
    shown = {"cpu_s": "cpu_s_to_target", "wall_s": "wall_s_to_target", "tokens": "tokens_to_target"}
    shown |= {"sooner": "times_sooner", "from_throughput": "from_throughput", "from_tokens": "from_tokens"}
    return row | {name: float(statistics.median(x[key] for x in there)) for key, name in shown.items() if there}


def sentences(runs: list[dict]) -> list[str]:
    """What the table says: the target, and each arm that reached it with every seed."""
    wanted = targets(runs)
    if not wanted:
        return []
    mean = statistics.mean(wanted.values())
    words = [
        f"the target, bits per hidden base of {TARGET} at the end of its budget: {mean:.4f}, {len(wanted)} seed(s)"
    ]
    for row in summary(runs):
        if row["side"] != TARGET and row["reached_by"] == row["seeds"]:
            parts = f"throughput {row['from_throughput']:.2f} x, tokens {row['from_tokens']:.2f} x"
            p = against_tiny(runs, row["side"])
            tested = "" if p is None else f"; sooner than {TINY.name}: one-sided p = {p:.2g}"
            words.append(f"{row['side']}: {row['times_sooner']:.2f} x fewer CPU seconds ({parts}){tested}")
    return words


def against_tiny(runs: list[dict], arm: str) -> float | None:
    """One-sided p of the paired t test over seeds on the log of CPU seconds to the target; None: too few seeds."""
    wanted, seconds = targets(runs), defaultdict(dict)
    for run in runs:
        row = reached(run["curve"], wanted[run["seed"]]) if run["seed"] in wanted else None
        if row is not None:
            seconds[run["arm"]][run["seed"]] = math.log(row["cpu_s"])
    both = sorted(seconds[arm].keys() & seconds[TINY.name].keys())
    if arm == TINY.name or len(both) < LEAST_SEEDS:
        return None
    mine, before = ([seconds[name][seed] for seed in both] for name in (arm, TINY.name))
    return float(ttest_rel(mine, before, alternative="less").pvalue)


def draw(runs: list[dict], path: Path) -> None:
    """Bits per hidden base over tokens and over CPU seconds: a thin line a run, one colour an arm."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    arms = list(dict.fromkeys(run["arm"] for run in runs))
    colours = dict(zip(arms, plt.colormaps["tab20"].colors, strict=False))
    for panel, (key, label) in zip(panels, {"tokens": "tokens", "cpu_s": "CPU seconds"}.items(), strict=True):
        for run in runs:
            x, y = [row[key] for row in run["curve"]], [row["bits"] for row in run["curve"]]
            panel.plot(x, y, color=colours[run["arm"]], linewidth=1, marker=".", label=run["arm"])
        panel.set_xscale("log")
        panel.set_xlabel(label)
    panels[0].set_ylabel("bits per hidden base, held-out")
    handles, labels = panels[1].get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    figure.legend(by_label.values(), by_label, loc="outside right upper", fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
