"""`make conformance`: transformers' own common tests, on our models and tokenizer, with BERT's results beside them.

The tests come from the source distribution of the installed transformers, by pip; none of its files is kept here.
Exits with 1 if a test fails on an encoder of ours and not on BERT, if one is skipped that BERT passes, or if one fails
on the tokeniser; with 2 if pip finds no source distribution.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import transformers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "conformance"
MEASURE, ENCODERS, TOKENIZERS = "Bert", ("AlibiAndGlu", "LearnedAndDense"), ("OverlappingKmers", "NeighbouringKmers")
Outcomes = dict[str, dict[str, str]]  # class -> test -> passed, failed or skipped


def fetch(version: str) -> Path:
    """The unpacked source distribution, fetched if it is not there yet."""
    folder = WORK / f"transformers-{version}"
    if not folder.is_dir():
        wanted = ["--no-deps", "--no-build-isolation", "--no-binary", "transformers", f"transformers=={version}"]
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *wanted, "-d", WORK], check=False)
        if done.returncode:
            sys.exit(2)
        with tarfile.open(WORK / f"transformers-{version}.tar.gz") as archive:
            archive.extractall(WORK, filter="data")
    return folder


def complete(tests: Path) -> None:
    """Add our own versions of the files that the common tests need and the distribution leaves out."""
    shutil.copytree(HERE / "stand_ins", tests, dirs_exist_ok=True)
    for package in (tests, *(tests / part.name for part in (HERE / "stand_ins").iterdir())):
        (package / "__init__.py").touch()
    text = tests / "fixtures" / "sample_text.txt"
    text.parent.mkdir(exist_ok=True)
    text.write_text("A text.\n", encoding="utf-8")


def run(source: Path) -> Outcomes:
    """Run all testers and return the outcome of each test."""
    report = WORK / "report.xml"
    report.unlink(missing_ok=True)
    files = [HERE / "encoders.py", HERE / "kmer_tokenizer.py"]
    plain = ["-c", os.devnull, f"--rootdir={HERE}", "--noconftest", "-p", "no:cacheprovider", "-W", "ignore", "-q"]
    command = [sys.executable, "-m", "pytest", *plain, "-n", "2", "--dist", "loadscope", f"--junitxml={report}", *files]
    paths = os.pathsep.join(map(str, (source, HERE, ROOT, WORK / "packages")))
    surroundings = os.environ | {"PYTHONPATH": f"{paths}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
                                 "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}  # fmt: skip
    joined = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    log = subprocess.run(command, env=surroundings, **joined, text=True, check=False).stdout
    (WORK / "log.txt").write_text(log, encoding="utf-8")
    if not report.is_file():
        sys.exit(log[-3000:])
    return outcomes(report)


def outcomes(report: Path) -> Outcomes:
    """Read pytest's report; a test with a part that fails has failed."""
    found: Outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        tests = found.setdefault(case.get("classname", "").rpartition(".")[2], {})
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        name = case.get("name", "")
        tests[name] = "failed" if "failed" in (outcome, tests.get(name)) else outcome
    return found


def show(found: Outcomes) -> bool:
    """Print the table, and the tests in which ours are behind BERT; True if there are none."""
    rows = (MEASURE, *ENCODERS, *TOKENIZERS)
    assert set(rows) == set(found), f"no results of {set(rows) - set(found)}; see {WORK / 'log.txt'}"
    print(f"transformers {transformers.__version__}, its common tests\n")
    print("| | passed | failed | skipped |\n| --- | --- | --- | --- |")
    for row in rows:
        counts = Counter(found[row].values())
        print(f"| {row} | {counts['passed']} | {counts['failed']} | {counts['skipped']} |")
    behind = [f"{row}: {test} {outcome}" for row in ENCODERS for test, outcome in sorted(found[row].items())
              if outcome != "passed" and outcome != found[MEASURE].get(test) != "failed"]  # fmt: skip
    behind += [f"{row}: {test} failed" for row in TOKENIZERS for test, x in found[row].items() if x == "failed"]
    print("\n".join(["", f"behind BERT: {len(behind)}", *behind]))
    return not behind


if __name__ == "__main__":
    WORK.mkdir(parents=True, exist_ok=True)
    tests = fetch(transformers.__version__)
    complete(tests / "tests")
    sys.exit(0 if show(run(tests)) else 1)
