"""A fine-tuning job: everything read and checked before its folder is touched, and the record of it in the folder.

finetune.json records the model, data and settings that a run began with; the run resumes only with the same.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genomask.commands.run_folder.kinds import RECORDS
from genomask.data.examples import NUMBER, ExampleColumns, Examples, read_examples
from genomask.errors import SettingsError
from genomask.fewshot.finetune import FineTuneSettings, new_classifier, schedule
from genomask.fewshot.fitting import Schedule
from genomask.inference.hub import tokenizer_of
from genomask.inference.models import Loaded, fingerprint, places_of
from genomask.inference.tokens import check_lengths, tokenise
from genomask.inference.vocabulary import reading_of
from genomask.training.device import scoring_precision
from genomask.training.records import write_record
from genomask.types import TokenSequences

RECORD = RECORDS["finetune"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to fine-tune."""

    model: Path
    train: Path
    valid: Path | None
    """Decides when to stop and which epoch is kept; None: the last one."""
    columns: ExampleColumns
    settings: FineTuneSettings
    seed: int
    """Seed of the head's initial weights, the order of the examples, and dropout."""
    out: Path
    max_tokens: int | None = None
    """Length to which texts are cut; None: the limit of the model's tokenizer."""


class Scale(NamedTuple):
    """Brings a regression's targets to mean 0 and variance 1 for training; the default leaves targets as they are."""

    mean: float = 0.0
    deviation: float = 1.0

    def down(self, targets: np.ndarray) -> np.ndarray:
        """Targets as they are learnt; classes have no scale."""
        return targets if targets.dtype == np.int64 else (targets - self.mean) / self.deviation


class Read(NamedTuple):
    """Examples, and their sequences in the model's tokens."""

    examples: Examples
    tokens: TokenSequences


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that training needs."""

    request: Request
    loaded: Loaded
    train: Read
    valid: Read | None
    scale: Scale
    plan: Schedule
    test: Read | None = None
    """Scored at the end; decides nothing."""

    @property
    def problem(self) -> str:
        """What is learnt: ONE, SEVERAL or NUMBER."""
        return self.train.examples.problem

    @property
    def scored(self) -> tuple[Read, str]:
        """The examples that are scored at the end, and their name."""
        if self.test:
            return self.test, self.test.examples.path.name
        return (self.valid, "--valid") if self.valid else (self.train, "--train, which it has seen")

    @property
    def out(self) -> Path:
        """The run's folder."""
        return self.request.out

    def binding(self) -> dict[str, Any]:
        """All that the weights depend on, except the versions and the machine."""
        return {
            "model": fingerprint(self.request.model),
            "train": _digest(self.train.examples),
            "valid": _digest(self.valid.examples) if self.valid else None,
            "schedule": self.request.settings.schedule,
            **self.plan._asdict(),
            "seed": self.request.seed,
            "precision": scoring_precision(self.loaded.model.device),
        }


def prepare(request: Request) -> Job:
    """Read and check everything. Raises UserError for the first thing that is wrong."""
    reading = reading_of(tokenizer_of(request.model))
    train = read_examples(request.train, request.columns, reading=reading)
    valid = read_examples(request.valid, request.columns, train, reading) if request.valid else None
    return job_of(request, train, valid)


def job_of(request: Request, train: Examples, valid: Examples | None, test: Examples | None = None) -> Job:
    """The job for examples already read; those of `test` decide nothing. Raises UserError as `prepare` does."""
    is_number = train.problem == NUMBER
    names = dict(enumerate(train.classes))
    settings: dict[str, Any] = {"id2label": names, "label2id": {name: at for at, name in names.items()}}
    schedule_name = request.settings.schedule
    loaded = new_classifier(request.model, schedule_name, seed=request.seed, problem_type=train.problem, **settings)
    if request.max_tokens:
        loaded.tokenizer.model_max_length = min(request.max_tokens, places_of(loaded.model) or request.max_tokens)
    groups = 2 if is_number else len(train.classes)
    shot = -(-len(train.sequences) // groups)
    plan = schedule(request.settings, shot, loaded.model.config.hidden_size)
    plan.optimizer(len(train.sequences))  # raises here what training would raise only in the folder
    return Job(
        request=request,
        loaded=loaded,
        train=_read(loaded, train),
        valid=_read(loaded, valid) if valid else None,
        scale=Scale(float(train.targets.mean()), float(train.targets.std())) if is_number else Scale(),
        test=_read(loaded, test) if test else None,
        plan=plan,
    )


def note(job: Job, *, resume: bool) -> None:
    """Claim the folder for this run or, on resuming, check that it is its own. Raises SettingsError if it is not."""
    path, now = job.out / RECORD, job.binding()
    if resume:
        refuse_other_run(path, now)
        return
    request = job.request
    files = {"model": request.model, "train": request.train, "valid": request.valid}
    write_record(path, {"files": {name: str(file.absolute()) for name, file in files.items() if file}} | {"run": now})


def refuse_other_run(path: Path, now: Mapping[str, Any]) -> None:
    """Raises SettingsError if `path`, the record of a run to resume, lacks a value or has a different one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        began = record.get("run", record)
        changed = [name for name, value in now.items() if began[name] != value]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SettingsError(f"{path} does not record what the run began with ({error}); give another --out.") from error
    if changed:
        name = changed[0]
        raise SettingsError(
            f"{path.parent} holds a run with another {name} ({began[name]} there, {now[name]} now); give what it began "
            "with, or another --out."
        )


def _read(loaded: Loaded, examples: Examples) -> Read:
    tokenised = tokenise(loaded.tokenizer, examples.sequences, str(examples.path), examples.names)
    check_lengths(*loaded, tokenised, str(examples.path))
    return Read(examples, tokenised.tokens)


def _digest(examples: Examples) -> str:
    """Hash of problem, classes, sequences and targets."""
    digest = hashlib.blake2b("\n".join([examples.problem, *examples.classes, *examples.sequences]).encode())
    digest.update(np.ascontiguousarray(examples.targets).tobytes())
    return digest.hexdigest()[:32]
