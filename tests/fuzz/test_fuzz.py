"""Commands are given damaged and absurd inputs: each ends well or in one sentence, and nothing of the input is lost."""

import itertools
import random
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from fuzz_damage import DAMAGES, damaged
from fuzz_kinds import KINDS, ROUND, first_of_each, kind_of
from fuzz_runner import Fuzzer, describe, run_cases
from fuzz_verdict import MOST_BYTES, Outcome, digests, faults

FINE = Outcome(0, "done\n", "", "", 0.1, 0)
REFUSED = FINE._replace(code=2, err="a warning\nerror: genome.fa: the file is empty.\n")


def test_no_command_ends_in_a_traceback_or_loses_its_input(request, tmp_path, capsys):
    seed = request.config.getoption("--fuzz-seed", 0)
    tally = run_cases(seed, chosen(request.config), tmp_path)
    with capsys.disabled():
        print(f"\n{tally.figures(seed)}")
    if request.config.getoption("--fuzz-case", None):
        print(f"the case's files: {tmp_path / 'case'}")
    assert not tally.faulty, "\n\n".join(
        ["", *(describe(result, seed) for result in tally.faulty), tally.figures(seed)]
    )


def chosen(config: pytest.Config) -> Iterator[int]:
    """Numbers of the cases that the options ask for; without any, the first of each kind, which no time limit cuts."""
    kind, alone = config.getoption("--fuzz-kind", ""), config.getoption("--fuzz-case", None)
    seconds, cases = config.getoption("--fuzz-seconds", 0), config.getoption("--fuzz-cases", 0)
    numbers = (number for number in itertools.count() if kind in ("", kind_of(number)))
    if alone:
        return iter(alone)
    if seconds:
        until, least = time.monotonic() + seconds, max(first_of_each())
        return itertools.takewhile(lambda number: number <= least or time.monotonic() < until, numbers)
    if cases:
        return itertools.islice(numbers, cases)
    return (number for number in first_of_each() if kind in ("", kind_of(number)))


def test_when_time_is_up_every_kind_has_had_its_first_case():
    config = SimpleNamespace(getoption=lambda name, default: {"--fuzz-seconds": 1e-9}.get(name, default))
    assert {kind_of(number) for number in chosen(config)} == set(KINDS)


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (FINE, None),
        (REFUSED, None),
        (FINE._replace(code=143), None),
        (REFUSED._replace(err="Usage: genomask npmi\n\nNo such option: -x\n"), None),
        (
            FINE._replace(code="traceback", error='File "/x/genomask/cli/app.py", line 7, in f\nKeyError: 1\n'),
            "traceback",
        ),
        (FINE._replace(code=1), "exit code"),
        (REFUSED._replace(err="error: two\nlines\n"), "message"),
        (REFUSED._replace(err=""), "message"),
        (REFUSED._replace(err="error: \n"), "message"),
        (REFUSED._replace(err="error: no file \x1b[31m.\n"), "control character"),
        (FINE._replace(out="\x07"), "control character"),
        (FINE._replace(err="/x/y.py:3: RuntimeWarning: divide by zero\n  x / 0\n"), "warning"),
        (FINE._replace(peak_bytes=MOST_BYTES + 1), "memory"),
    ],
)
def test_what_counts_as_a_fault(outcome, fault):
    assert list(faults(outcome, {}, {})) == ([fault] if fault else [])


def test_a_changed_or_missing_input_is_lost_but_not_a_file_that_may_be_written(tmp_path):
    for name in ("kept", "changed", "gone", "out"):
        (tmp_path / name).write_text(name)
    before = digests([tmp_path], [tmp_path / "out"])
    (tmp_path / "changed").write_text("")
    (tmp_path / "gone").unlink()
    (tmp_path / "out").unlink()
    lost = f"{tmp_path}/changed, {tmp_path}/gone"
    assert faults(FINE, before, digests([tmp_path], [tmp_path / "out"])) == {"input lost": lost}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_takes_any_bytes_and_depends_on_its_draws_alone(damage):
    for data in (b"", b"\n", b"a\t1\nb\t2\n", bytes(range(256))):
        assert damage(random.Random(1), data) == damage(random.Random(1), data)
    assert len({damaged(random.Random(draw), b"a\t1\nb\t2\n") for draw in range(50)}) > 25


def test_every_kind_has_its_turns_in_a_round():
    assert {name: ROUND.count(name) for name in KINDS} == {name: turns for name, (_, turns) in KINDS.items()}


def test_a_worker_that_dies_or_hangs_is_a_fault_of_its_case_and_the_next_case_runs(tmp_path, monkeypatch):
    """The worker of this test is a shell script: 2 kills it, 3 hangs it."""
    answers = (
        'echo ready; while read n; do case $n in 2) kill -9 $$;; 3) sleep 9;; *) echo "{\\"number\\": $n}";; esac; done'
    )
    monkeypatch.setattr("fuzz_runner.worker_command", lambda seed, folder: ["sh", "-c", answers])
    monkeypatch.setattr("fuzz_runner.HANG_SECONDS", 0.2)
    with Fuzzer(0, tmp_path) as fuzzer:
        found = [fuzzer.run(number) for number in (1, 2, 3, 4)]
    assert [result["number"] for result in found] == [1, 2, 3, 4]
    assert [result.get("faults") for result in found[1:3]] == [
        {"died": "exit code -9"},
        {"hang": "no answer within 0.2 s"},
    ]
