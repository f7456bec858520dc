"""From the runs of a speedrun to its table, sentences and picture."""

import math
import statistics
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
from scipy.stats import ttest_1samp
from speedrun_arms import Race

LEAST_SEEDS = 3
"""Fewest seeds that a test is made with."""


def reached(curve: list[dict], target: float) -> dict | None:
    """The first validation at or below the target."""
    return next((row for row in curve if row["score"] <= target), None)


def ends_of(arm: str, runs: list[dict]) -> dict[int, float]:
    """What the arm scores at the end of its budget, by seed, as each seed has its own held-out data."""
    return {run["seed"]: run["curve"][-1]["score"] for run in runs if run["arm"] == arm}


def floor_of(runs: list[dict]) -> float | None:
    """The mean over the seeds of what frequencies alone score; None: earlier races did not keep it."""
    floors = {run["seed"]: run["floor"] for run in runs if "floor" in run}
    return statistics.mean(floors.values()) if floors else None


def times_sooner(run: dict, peer: dict, target: float) -> dict[str, float] | None:
    """How many times fewer CPU seconds than the peer's run of that seed, split into throughput and tokens."""
    mine, theirs = reached(run["curve"], target), reached(peer["curve"], target)
    if mine is None or theirs is None:
        return None
    tokens = theirs["tokens"] / mine["tokens"]
    seconds = theirs["cpu_s"] / mine["cpu_s"]
    return {"sooner": seconds, "from_throughput": seconds / tokens, "from_tokens": tokens, **mine}


def summary(runs: list[dict], race: Race) -> list[dict]:
    """A row for each arm, medians over the seeds that reached the target of their seed."""
    by_arm: dict[str, list[dict]] = defaultdict(list)
    for run in runs:
        if run["seed"] in ends_of(race.target.name, runs):
            by_arm[run["arm"]].append(run)
    return [_row(arm, of_arm, runs, race) for arm, of_arm in by_arm.items()]


def _row(arm: str, of_arm: list[dict], runs: list[dict], race: Race) -> dict:
    ends = [run["curve"][-1] for run in of_arm]
    there = _sooner(of_arm, race.target.name, runs)
    row = {
        "side": arm,
        "seeds": len(of_arm),
        "budget_cpu_s": of_arm[0]["budget"],
        f"{race.score.split()[0]}_at_end": f"{statistics.mean(end['score'] for end in ends):.4f}",
        "tokens_per_cpu_s": statistics.median(end["tokens"] / end["cpu_s"] for end in ends),
        "reached_by": len(there),
    }
    shown = {"cpu_s": "cpu_s_to_target", "wall_s": "wall_s_to_target", "tokens": "tokens_to_target"}
    shown |= {"sooner": "times_sooner", "from_throughput": "from_throughput", "from_tokens": "from_tokens"}
    row |= {name: float(statistics.median(x[key] for x in there)) for key, name in shown.items() if there}
    for further in (*race.further, race.before):
        beyond = _sooner(of_arm, further.name, runs)
        if len(beyond) == len(of_arm):
            row[f"times_sooner_at_the_end_of_{further.name}"] = statistics.median(x["sooner"] for x in beyond)
    return row


def _sooner(of_arm: list[dict], peer: str, runs: list[dict]) -> list[dict]:
    """How much sooner each seed of an arm reached the peer's end score; seeds that never did are left out."""
    peers, wanted = {run["seed"]: run for run in runs if run["arm"] == peer}, ends_of(peer, runs)
    both = [run for run in of_arm if run["seed"] in peers]
    found = [times_sooner(run, peers[run["seed"]], wanted[run["seed"]]) for run in both]
    return [times for times in found if times is not None]


def sentences(runs: list[dict], race: Race) -> list[str]:
    """The table in sentences: the target, and each arm that reached it with every seed."""
    ends = ends_of(race.target.name, runs)
    if not ends:
        return []
    words = [
        f"the target, {race.score} of {race.target.name} at the end of its budget: "
        f"{statistics.mean(ends.values()):.4f}, {len(ends)} seed(s)"
    ]
    if (floor := floor_of(runs)) is not None:
        words.append(f"{race.floor} alone: {floor:.4f}")
    for row in summary(runs, race):
        if row["side"] != race.target.name and row["reached_by"] == row["seeds"]:
            parts = f"throughput {row['from_throughput']:.2f} x, tokens {row['from_tokens']:.2f} x"
            p = against_before(runs, row["side"], race)
            tested = "" if p is None else f"; sooner than {race.before.name} at its end: one-sided p = {p:.2g}"
            words.append(f"{row['side']}: {row['times_sooner']:.2f} x fewer CPU seconds ({parts}){tested}")
    return [*words, *_at_the_end(runs, race)]


def _at_the_end(runs: list[dict], race: Race) -> list[str]:
    """How each arm ends, with its part of the budget, against the record so far: a paired t test over the seeds."""
    words, before = [], ends_of(race.before.name, runs)
    for arm in race.arms:
        ends = ends_of(arm.name, runs)
        both = sorted(ends.keys() & before.keys())
        if arm.name != race.before.name and len(both) >= LEAST_SEEDS:
            lower = [before[seed] - ends[seed] for seed in both]
            words.append(
                f"{arm.name} ends {statistics.mean(lower):+.4f} {race.score} below {race.before.name}, "
                f"one-sided p = {above_zero(lower):.2g}, {len(both)} seeds"
            )
    return words


def above_zero(differences: list[float]) -> float:
    """One-sided p of a t test over seeds; 1 if all differences are equal, which leaves nothing to test."""
    if len({round(value, 12) for value in differences}) == 1:
        return 1.0
    return float(ttest_1samp(differences, 0.0, alternative="greater").pvalue)


def against_before(runs: list[dict], arm: str, race: Race) -> float | None:
    """One-sided p of a paired t test over seeds on the log of how much sooner the arm reaches the record's end score.

    None: too few seeds, or one that never reached it.
    """
    sooner = _sooner([run for run in runs if run["arm"] == arm], race.before.name, runs)
    if arm == race.before.name or not LEAST_SEEDS <= len(sooner) == len(ends_of(race.before.name, runs)):
        return None
    return above_zero([math.log(times["sooner"]) for times in sooner])


def draw(runs: list[dict], race: Race, path: Path) -> None:
    """Scores over tokens and over CPU seconds: a thin line per run, one colour per arm."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    arms = list(dict.fromkeys(run["arm"] for run in runs))
    colours = dict(zip(arms, plt.colormaps["tab10" if len(arms) <= 10 else "tab20"].colors, strict=False))
    for panel, (key, label) in zip(panels, {"tokens": "tokens", "cpu_s": "CPU seconds"}.items(), strict=True):
        for run in runs:
            x, y = [row[key] for row in run["curve"]], [row["score"] for row in run["curve"]]
            panel.plot(x, y, color=colours[run["arm"]], linewidth=1, marker=".", label=run["arm"])
        if (floor := floor_of(runs)) is not None:
            panel.axhline(floor, color="grey", linewidth=1, linestyle="--", label="frequencies alone")
        panel.set_xscale("log")
        panel.set_xlabel(label)
    panels[0].set_ylabel(f"{race.score}, held-out")
    handles, labels = panels[1].get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    figure.legend(by_label.values(), by_label, loc="outside right upper", fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
