"""The folder of a run: config.toml identifies it; a run resumes only with the settings and data it began with.

config.toml holds the full recipe, [inputs] with the paths and the fingerprint of what was read there, [mask_files] with
the SHA-256 of each of the user's own masking files, and [from] with the model that a continued run started from. It is
written when the run begins, and again when it resumes with a permitted change (changes.py).
"""

import shutil
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genomask.commands.run_folder.kinds import RECORDS, refuse_others
from genomask.commands.run_folder.origin import Origin
from genomask.data.opening import Inputs
from genomask.errors import SettingsError
from genomask.files.atomic import atomic_write, sweep
from genomask.files.digests import WEIGHTS
from genomask.files.locking import LOCK
from genomask.masking.names import own_files
from genomask.recipe import Recipe, recipe_from_tables, recipe_to_toml, toml_value
from genomask.settings.recipe_file import OF_A_RUN
from genomask.training.checkpoint import list_checkpoints

CONFIG = RECORDS["pretrain"]
WRITTEN = (
    CONFIG,
    "environment.json",
    "genome.json",
    "baselines.json",
    "metrics.jsonl",
    "model/",
    "curves.svg",
    "curves.png",
)
"""Files that a run writes whole or not at all, besides its checkpoints."""


@dataclass(frozen=True)
class Facts:
    """What was found under the names given in recipe and inputs."""

    fingerprint: str
    """Of the bases or text."""
    mask_files: dict[str, str]
    """The user's own masking file -> SHA-256."""
    origin: Origin | None = None
    """The model that the run continues from; None: it starts from random weights."""


def facts_of(recipe: Recipe, fingerprint: str, origin: Origin | None = None) -> Facts:
    """The facts of a run on the source with that fingerprint."""
    return Facts(fingerprint, own_files(recipe.masking.strategy), origin)


def is_finished(out: Path) -> bool:
    """Whether `model/` is there: it appears whole, as the last act of a run."""
    return all((out / "model" / name).is_file() for name in ("config.json", WEIGHTS))


def steps_done(out: Path) -> int:
    """Steps of the newest checkpoint; 0 without one."""
    return max((step for step, _ in list_checkpoints(out / "checkpoints")), default=0)


def set_model_aside(out: Path) -> Path:
    """Move the model of a finished run that will continue; returns its new folder, model-step-N."""
    kept = out / f"model-step-{read_config(out)[0].training.steps}"
    if kept.exists():  # the same model: the run was killed right after setting it aside, and ended there again
        shutil.rmtree(kept)
    (out / "model").rename(kept)
    return kept


def sweep_run(out: Path) -> None:
    """Remove what killed writes left; the caller holds the lock.

    Raises SettingsError if a folder stands in a file's place: hours later, the run could not write that file.
    """
    sweep(out, *WRITTEN)
    sweep(out / "checkpoints", "step-*/")
    require_places(out)


def require_places(out: Path) -> None:
    """Raises SettingsError if a folder stands in the place of a file that the run in `out` writes."""
    for path in (out / name for name in WRITTEN if not name.endswith("/")):
        if path.is_dir():
            raise SettingsError(f"{path} is a folder where the run writes a file; move it away, or give another --out.")


def run_of(model: Path) -> Path | None:
    """The run that a model's folder lies in, as RUN/model or RUN/checkpoints/step-N; None for one from elsewhere."""
    holder = model.absolute().parent
    run = holder.parent if holder.name == "checkpoints" else holder
    return run if (run / CONFIG).exists() else None


def read_config(out: Path) -> tuple[Recipe, Inputs]:
    """The recipe and inputs of the run in `out`. Raises SettingsError if its config.toml is damaged."""
    tables = _tables(out)
    given = tables["inputs"]
    lists = {name: tuple(given.get(name, ())) for name in ("genome", "corpus", "weights")}
    inputs = Inputs(**lists, ambiguous=given["ambiguous"])
    recipe = {name: table for name, table in tables.items() if name not in OF_A_RUN}
    try:
        return recipe_from_tables(recipe, CONFIG), inputs
    except SettingsError as error:
        raise SettingsError(f"{out / CONFIG} does not hold the settings of a run ({error}); {MEND}") from error


def read_origin(out: Path) -> Origin | None:
    """The model that the run in `out` continued from; None for random weights. Raises SettingsError as read_config."""
    table = _tables(out).get("from")
    if table is None:
        return None
    kinds = {"folder": str, "fingerprint": str, "encoder": dict, "tokens": dict, "beside": dict}
    if not isinstance(table, dict) or {name: type(value) for name, value in table.items()} != kinds:
        raise SettingsError(f"{out / CONFIG} has no complete table [from]; {MEND}")
    if table["encoder"].get("stem_width", 1) != 1:  # earlier versions did not record it, but it is the model's
        table["encoder"].setdefault("stem_fraction", read_config(out)[0].encoder.stem_fraction)
    return Origin(**table)


def write_config(out: Path, recipe: Recipe, inputs: Inputs, facts: Facts) -> None:
    """Write config.toml, which makes `out` the folder of this run."""
    files = "".join(f"{toml_value(file)} = {toml_value(source)}\n" for file, source in facts.mask_files.items())
    atomic_write(
        out / CONFIG,
        _settings(recipe.absolute(), inputs.absolute())
        + f"fingerprint = {toml_value(facts.fingerprint)}\n"
        + (f"\n[mask_files]\n{files}" if files else "")
        + (_origin(facts.origin) if facts.origin else ""),
    )


def holds_run(out: Path, resume: bool, verb: str = "pretrain") -> bool:
    """Whether `out` holds a run of the verb.

    Raises SettingsError if it does and `resume` is not set, or the other way round, and if it holds something else.
    """
    record = RECORDS[verb]
    if (out / record).exists():
        if not resume:
            raise SettingsError(f"{out} already holds a run; continue it with --resume, or give another --out.")
        return True
    refuse_others(out, own=verb)
    if out.is_dir() and any(path.name != LOCK for path in out.iterdir()):
        raise SettingsError(f"{out} is not empty and holds no run (no {record}); give another --out.")
    if resume:
        raise SettingsError(f"{out} holds no run to resume (no {record}); leave --resume out to start one.")
    return False


def check_facts(out: Path, facts: Facts) -> None:
    """Raises SettingsError if data, masks or origin are not those that the run began with: files may change."""
    _check_origin(out, facts.origin)
    tables = _tables(out)
    noted = {"fingerprint": tables["inputs"].get("fingerprint")} | tables.get("mask_files", {})
    found = {"fingerprint": facts.fingerprint} | facts.mask_files
    for name, now in found.items():
        what = "genome or corpus" if name == "fingerprint" else name
        if name not in noted or noted[name] is None:
            line = f"{name if name == 'fingerprint' else toml_value(name)} = {toml_value(now)}"
            table = "[inputs]" if name == "fingerprint" else "[mask_files]"
            raise SettingsError(
                f"{out} holds a run that did not record which data it began with; if its {what} has not changed since, "
                f"add the line '{line}' under {table} in {out / CONFIG}, or give another --out."
            )
        if noted[name] != now:
            raise SettingsError(
                f"{out} holds a run on other data: its {what} has changed since it began ({noted[name]} there, {now} "
                "now); restore the old files, or give another --out."
            )


def _check_origin(out: Path, now: Origin | None) -> None:
    """Raises SettingsError if the run in `out` began with other weights than those asked for now."""
    noted = read_origin(out)
    if (noted and noted.fingerprint) != (now and now.fingerprint):
        there, asked = (f"the model {origin.words}" if origin else "random weights" for origin in (noted, now))
        raise SettingsError(
            f"{out} holds a run that started from {there}, but {asked} was asked for; continue it without --from, or "
            "give another --out."
        )


def _origin(origin: Origin) -> str:
    """[from] as config.toml holds it."""
    plain = {name: value for name, value in asdict(origin).items() if isinstance(value, str)}
    tables = {"from": plain, **{f"from.{name}": asdict(origin)[name] for name in ("encoder", "tokens", "beside")}}
    return "".join(
        f"\n[{name}]\n" + "".join(f"{key} = {toml_value(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _settings(recipe: Recipe, inputs: Inputs) -> str:
    """Recipe and inputs as config.toml holds them."""
    return (
        recipe_to_toml(recipe)
        + "\n[inputs]\n"
        + "".join(f"{key} = {toml_value(value)}\n" for key, value in asdict(inputs).items())
    )


def _tables(out: Path) -> dict[str, Any]:
    """config.toml as it stands, with the types of its [inputs] checked."""
    path = out / CONFIG
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); {MEND}") from error
    given = tables.get("inputs")
    if not isinstance(given, dict) or not isinstance(tables.get("mask_files", {}), dict):
        raise SettingsError(f"{path} has no table [inputs], or its [mask_files] is not a table; {MEND}")
    lists, weights = (given.get("genome"), given.get("corpus")), given.get("weights", [])  # earlier versions had none
    is_whole = isinstance(given.get("ambiguous"), str) and all(map(_is_strings, lists))
    if not (is_whole and _are_numbers(weights) and len(weights) in (0, len(given["genome"]))):
        raise SettingsError(f"{path} has no complete table [inputs]; {MEND}")
    return tables


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) in (int, float) and item > 0 for item in value)


MEND = "restore it from a backup, or give another --out"
