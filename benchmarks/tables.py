"""The tables of the READMEs, made from results/*.json and never typed.

`<!-- results: NAME -->` to `<!-- end -->` holds the content of the files results/NAME, where NAME is a pattern such as
pretrain_step-*.json: for each file, when and where it was measured, its rows, its verdict. `<!-- speed: NAME -->` is
the short form for training steps: a row for each file, our speed relative to each peer. `<!-- gpu: NAME -->` holds what
on_gpu.py wrote, `<!-- gpu verdict: NAME -->` only its sentences; both say so while there is no such file.

    python benchmarks/tables.py
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
READMES = HERE / "README.md", HERE.parent / "README.md", HERE.parent / "docs" / "encoder.md"
BLOCK = re.compile(r"(<!-- (results|speed|gpu|gpu verdict): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Rewrite every block of the READMEs."""
    for path in READMES:
        path.write_text(filled(path.read_text(encoding="utf-8"), HERE / "results"), encoding="utf-8")


def filled(text: str, results: Path) -> str:
    """The text with each block made from the files of `results`; ValueError for a pattern without a file."""

    def block(match: re.Match[str]) -> str:
        opening, kind, pattern, ending = match.groups()
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob(pattern))]
        if kind in GPU:
            return opening + ("".join(map(GPU[kind], found)) or WAITS) + ending
        if not found:
            raise ValueError(f"no file {pattern} in {results}; run the benchmark that writes it")
        return opening + (speed(found) if kind == "speed" else "\n".join(map(section, found))) + ending

    return BLOCK.sub(block, text)


SPARSE = "HF ModernBERT, sparse prediction"
"""The peer whose head is only for masked tokens, as ours; it comes first."""
STRICTEST = "HF BERT, attention dropout 0"
"""The BERT peer with our dropout; it comes next."""


def speed(results: Sequence[dict[str, Any]]) -> str:
    """A row for each result: our real tokens per second relative to each peer's, by the clock of the verdict.

    Precisions that the processor has units for come before emulated ones.
    """
    sides = {row["side"] for result in results for row in result["rows"] if not row["side"].startswith("ours")}
    peers = sorted(sides, key=lambda side: (side != SPARSE, side != STRICTEST, side))
    lines = []
    for result in sorted(results, key=_is_emulated):
        clock = "cpu" if "CPU seconds" in result["verdict"][0] else "wall"
        kind = " (emulated)" * _is_emulated(result)
        encoder = f"{result['setup']['config']}, {result['setup']['precision']}{kind}"
        line = {"processor": result["machine"]["processor"], "encoder": encoder}
        ratios = {row["side"]: f"{row[f'{clock}_ratio']:.2f} x" for row in result["rows"]}
        lines.append(line | {"clock": clock} | {peer: ratios.get(peer, "") for peer in peers})
    return table(lines) + "\n"


def _is_emulated(result: dict[str, Any]) -> bool:
    return result["setup"]["precision"] == "bf16" and not result["machine"]["bf16_units"]


def gpu_section(summary: dict[str, Any]) -> str:
    """What on_gpu.py wrote: how each part ended, then the parts' own sections."""
    columns = ("part", "outcome", "seconds", "limit_s")
    pieces = [_heading(summary), table([{key: row[key] for key in columns} for row in summary["parts"]])]
    for row in summary["parts"]:
        if row.get("result", {}).get("rows"):
            pieces.append(f"**{row['part']}** (`{row['command']}`)\n\n{section(row['result']).rstrip()}")
        if row.get("last_words"):
            pieces.append("\n".join([f"**{row['part']}** said last:\n", *(f"    {x}" for x in row["last_words"])]))
    return "\n\n".join(pieces) + "\n"


def gpu_verdict(summary: dict[str, Any]) -> str:
    """The sentences of all parts, and which parts failed."""
    lines = []
    for row in summary["parts"]:
        lines += row.get("result", {}).get("verdict", [])
        lines += [f"{row['part']}: {row['outcome']}"] * row["outcome"].startswith("failed")
    return _heading(summary) + "\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"


def _heading(summary: dict[str, Any]) -> str:
    machines = (row["result"]["machine"] for row in summary["parts"] if "machine" in row.get("result", {}))
    machine = next(machines, None)
    where = "An unknown machine." if machine is None else context({"machine": machine})
    warning = "**A rehearsal at toy sizes: its figures mean nothing.** " * summary["rehearsal"]
    return f"{warning}{where} All parts: {cell(summary['seconds'])} s."


WAITS = "Waits for a GPU: `python benchmarks/on_gpu.py`.\n"
GPU = {"gpu": gpu_section, "gpu verdict": gpu_verdict}


def section(result: dict[str, Any]) -> str:
    """One file: context, rows and verdict, as far as the file has them."""
    parts = [context(result), table(result["rows"])]
    if result.get("verdict"):
        parts.append("\n".join(f"- {sentence}" for sentence in result["verdict"]))
    return "\n\n".join(part for part in parts if part) + "\n"


def context(result: dict[str, Any]) -> str:
    """Machine, date, versions and setup, in one line."""
    machine = result["machine"]
    if isinstance(machine, str):
        return f"{machine}."
    where = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    versions = ", ".join(f"{name} {machine['packages'][name]}" for name in ("torch", "transformers"))
    setup = ", ".join(f"{words(key)} {cell(value)}" for key, value in result.get("setup", {}).items())
    told = f" Setup: {setup}." if setup else ""
    load = f"{machine['threads']} threads, load {cell(machine['load_at_start'])} at the start"
    return f"{where}, {load}; {versions}; {machine['date'][:10]}.{told}"


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table, with every column that any row has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {key for key in columns if any(isinstance(row.get(key), int | float) for row in rows)}
    lines = [
        [words(key) for key in columns],
        ["---:" if key in numeric else "---" for key in columns],
        *([cell(row.get(key)) for key in columns] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    """A value for reading: three digits of a fraction, thousands separated, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, dict):
        return " ".join(f"{words(key)} {cell(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(cell, value))
    return str(value).replace("|", "\\|")


def words(key: str) -> str:
    """wall_s_per_step -> wall s per step."""
    return key.replace("_", " ")


if __name__ == "__main__":
    main()
