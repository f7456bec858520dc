import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masking_tables import kmer_tokens, random_batch

from genomask.errors import SettingsError
from genomask.masking import STRATEGIES, MaskSettings, build_strategy, strategy
from genomask.masking.names import check_name, find, find_strategy
from genomask.settings.strategy_text import Written, read_list, read_name

MINE = """
from genomask.masking import mask_token, strategy

@strategy("every-nth", exact=lambda rate, tokens: rate)
def every_nth(sequence, n: int = 2, first: bool = False, word: str = "a"):
    for t in range(len(sequence.masked)):
        if (t + first) % n == 0:
            mask_token(sequence, t)

@strategy("uniform", exact=lambda rate, tokens: rate)
def mine_of_that_name(sequence):
    sequence.masked[:] = True
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "my masks.py"
    path.write_text(MINE)
    return path


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("genemask", Written("", "genemask", {})),
        ("genemask:npmi=shuffled", Written("", "genemask", {"npmi": "shuffled"})),
        ("span:p=0.2:longest=10", Written("", "span", {"p": "0.2", "longest": "10"})),
        ("my_masks.py:mine", Written("my_masks.py", "mine", {})),
        ("a/b:c/my_masks.py:mine:phase=1", Written("a/b:c/my_masks.py", "mine", {"phase": "1"})),
        ("span:p=", Written("", "span", {"p": ""})),
        ("span:p=(0.2)", Written("", "span", {"p": "0.2"})),
        ("cm-step:first=(span:p=0.1):at=5", Written("", "cm-step", {"first": "span:p=0.1", "at": "5"})),
        ("cm-gems:first=(a/b.py:mine):second=span", Written("", "cm-gems", {"first": "a/b.py:mine", "second": "span"})),
        ("a(1/my(2).py:mine:word=(a:(b=(c)))", Written("a(1/my(2).py", "mine", {"word": "a:(b=(c))"})),
    ],
)
def test_a_name_is_read_as_its_parts(text, written):
    assert read_name(text) == written


@pytest.mark.parametrize(
    "text",
    ["", "my_masks.py", "span:0.2", "span:", ":p=1", "span:p=1:", "=3", "my_masks.py:", ":span", ".py:a", "span:=(1)"],
)
def test_text_that_is_no_name_is_refused(text):
    with pytest.raises(SettingsError, match="does not name a masking strategy; write"):
        read_name(text)


@pytest.mark.parametrize("text", ["cm-step:first=(span", "span:p=(1)2", "span:p=(1)(2)", "span:p=1=(2)", "span:p=(()"])
def test_brackets_that_do_not_hold_a_whole_value_are_refused(text):
    with pytest.raises(SettingsError, match="brackets go around a whole value"):
        read_name(text)


@given(text=st.text(alphabet="ab.py:=0()", max_size=12))
def test_any_text_is_a_name_or_one_clear_error(text):
    try:
        name = read_name(text).name
    except SettingsError:
        return
    assert name in text


def in_brackets(written):
    """The written form, every value in brackets."""
    file = f"{written.file}:" if written.file else ""
    return file + written.name + "".join(f":{key}=({value})" for key, value in written.parameters.items())


def names_of(values):
    files, names = st.sampled_from(["", "my masks.py", "a/b:c/run=1.py"]), st.text("ab-", min_size=1, max_size=3)
    parameters = st.dictionaries(st.text("pq", min_size=1, max_size=2), values, max_size=3)
    return st.builds(Written, files, names, parameters)


PLAIN = st.text("ab.py:=,0 ", max_size=8)
NAMES = names_of(st.one_of(PLAIN, PLAIN.map("a({})=".format), names_of(PLAIN).map(in_brackets)))
"""Their values hold separators, matching brackets, and names with parameters."""


@given(written=NAMES)
def test_what_is_written_is_read_back(written):
    assert read_name(in_brackets(written)) == written


@given(value=st.text("ab.py=0)- "))
def test_a_value_without_colon_or_comma_needs_no_brackets(value):
    assert read_name(f"mine:word={value}") == Written("", "mine", {"word": value})


@given(several=st.lists(NAMES.map(in_brackets), max_size=4))
def test_a_list_of_names_is_split_at_the_commas_between_them(several):
    assert read_list(" , ".join(several) + ",") == tuple(several)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("span:p=0.1:p=0.2", "gives a parameter twice"),
        ("span:q=1", "has no parameter 'q'; its parameters: p, longest"),
        ("span:longest=1.5", "longest must be a whole number, got '1.5'"),
        ("span:p=half", "p must be a number, got 'half'"),
        ("genemask:npmi=upside-down", "npmi must be one of table, shuffled"),
        ("uniform:npmi=shuffled", "has no parameter 'npmi'; its parameters: none"),
        ("magic", "unknown masking strategy 'magic'; use one of: cm-gems, "),
        ("cm-step:at=soon", "at must be a whole number"),
        ("cm-gems:first=nope", "unknown masking strategy 'nope'"),
        ("rate-step:strategy=nope", "unknown masking strategy 'nope'"),
        ("cm-gems:second=(span:q=1)", "'span:q=1' has no parameter 'q'"),
        ("cm-gems:second=cm-step", "'cm-step' is a curriculum over the steps"),
        ("cm-gems:second=", "'' does not name a masking strategy"),
        ("cm-step:first=span:p=0.1", r"'p'; .* go in brackets: first=\(span:p=0\.1\)"),
    ],
)
def test_a_mistake_in_a_name_is_one_clear_error_in_a_recipe_too(text, message):
    with pytest.raises(SettingsError, match=message):
        find(text)
    with pytest.raises(SettingsError, match=message):
        MaskSettings(strategy=text)


def test_parameters_take_the_type_of_their_default(mine):
    spec, parameters = find_strategy(f"{mine}:every-nth:n=3:first=TRUE:word=1")
    assert (spec.name, parameters) == ("every-nth", {"n": 3, "first": True, "word": "1"})
    assert find_strategy("span:p=1")[1] == {"p": 1.0, "longest": 10}
    assert find_strategy("span", {"p": 0.5})[1]["p"] == 0.5
    assert find_strategy("genemask")[1] == {"npmi": "table"}
    with pytest.raises(SettingsError, match="first must be true or false, got 'perhaps'"):
        find(f"{mine}:every-nth:first=perhaps")
    with pytest.raises(SettingsError, match="n must be a whole number, got True"):
        find_strategy(f"{mine}:every-nth", {"n": True})


def test_a_strategy_from_a_file_masks_and_leaves_the_built_in_ones_as_they_are(mine):
    built_in = dict(STRATEGIES)
    tokens = kmer_tokens(2)
    ids, cu_seqlens, keys = random_batch(tokens, 1, 7, specials=False)

    def select(name, **more):
        built = build_strategy(name, tokens=tokens, mask_rate=0.15, **more)
        return built.select(ids, cu_seqlens, keys).tolist()

    assert select(f"{mine}:every-nth:n=3") == [1, 0, 0, 2, 0, 0]
    assert select(f"{mine}:every-nth:n=3", first=True) == [0, 0, 1, 0, 0, 2]
    assert select(f"{mine}:uniform") == [1] * 6
    assert built_in == STRATEGIES
    assert "every-nth" not in STRATEGIES


def test_the_file_is_run_again_when_it_has_changed(mine):
    before = find_strategy(f"{mine}:every-nth")[0]
    assert find_strategy(f"{mine}:every-nth")[0] is before
    mine.write_text(MINE.replace("n: int = 2", "n: int = 5"))
    after, parameters = find_strategy(f"{mine}:every-nth")
    assert parameters["n"] == 5
    assert after.source != before.source  # rates solved for the old one do not serve the new


def test_a_file_without_a_usable_strategy_is_one_clear_error(tmp_path, mine):
    empty, broken, untyped = tmp_path / "empty.py", tmp_path / "broken.py", tmp_path / "untyped.py"
    empty.write_text("x = 1\n")
    broken.write_text("def mine(:\n")
    untyped.write_text(MINE.replace("n: int = 2", "n"))
    for name, message in {
        f"{tmp_path / 'none.py'}:mine": r"there is no file .*none\.py with masking strategies",
        f"{empty}:mine": r"empty\.py registers no masking strategy 'mine'; decorate a function with @strategy",
        f"{mine}:mine": "registers no masking strategy 'mine'; use one of: every-nth, uniform",
        f"{broken}:mine": r"broken\.py, line 1: not valid Python",
        f"{untyped}:every-nth": "parameter 'n' needs a default",
    }.items():
        with pytest.raises(SettingsError, match=message):
            find(name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\nraise NameError('oops')\n", r", line 2: it fails when run \(NameError: oops\); fix it"),
        ("\nimport nothing\n", r", line 2: it fails .* \(ModuleNotFoundError: No module named 'nothing'\)"),
        ("def f():\n    return 1 / 0\n\nf()\n", r", line 2: it fails .* \(ZeroDivisionError: division by zero\)"),
        ("import json\n\njson.loads('{')\n", r", line 3: it fails .* \(JSONDecodeError: "),
        ("raise RuntimeError('two\\nlines')\n", r", line 1: it fails .* \(RuntimeError: two lines\)"),
        ("import sys\nsys.exit(0)\n", r", line 2: it fails .* \(SystemExit: 0\)"),
        ("x = '\0'\n", r": not valid Python \(.*null bytes"),
        (MINE.replace("n: int = 2", "n"), r", line 4: masking strategy 'every-nth': its parameter 'n' needs a default"),
    ],
)
def test_a_file_that_fails_when_it_is_run_is_one_clear_error_that_names_its_line(tmp_path, source, message):
    built_in = dict(STRATEGIES)
    file = tmp_path / "failing.py"
    file.write_text(source)
    with pytest.raises(SettingsError, match=re.escape(str(file)) + ".*" + message) as raised:
        find(f"{file}:mine")
    assert "\n" not in str(raised.value)
    assert built_in == STRATEGIES


def test_a_mistake_in_what_the_file_imports_is_placed_in_the_imported_file(tmp_path, monkeypatch):
    (tmp_path / "broken_beside.py").write_text("x = 1\ndef mine(:\n")
    (tmp_path / "mine.py").write_text("import broken_beside\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SettingsError, match=r"broken_beside\.py, line 2: not valid Python"):
        find(f"{tmp_path / 'mine.py'}:mine")


@pytest.mark.parametrize("beside", ["lengths_beside.py", "lengths_beside/__init__.py"])
def test_importing_a_module_beside_the_file_is_one_clear_error(tmp_path, beside):
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_text("N = 2\n")
    (tmp_path / "mine.py").write_text("from genomask.masking import strategy\nfrom lengths_beside import N\n")
    with pytest.raises(
        SettingsError, match=r"mine\.py, line 2: lengths_beside lies beside the file but is not imported"
    ):
        find(f"{tmp_path / 'mine.py'}:mine")


def test_reading_a_recipe_runs_no_strategy_file(tmp_path):
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('it was run')\n")
    check_name(f"{trap}:mine:p=1")
    for name in (f"{trap}:mine", f"cm-step:first=({trap}:mine):second=({trap}:mine:p=1)"):
        assert MaskSettings(strategy=name).strategy == name
        with pytest.raises(SettingsError, match="it was run"):
            find(name)


def test_a_file_in_a_curriculum_without_brackets_is_answered_with_them():
    with pytest.raises(SettingsError, match=r"no file cm-step:first=m\.py .* in brackets: first=\(my_masks\.py:mine\)"):
        find("cm-step:first=m.py:mine")


def test_a_curriculum_is_no_strategy_by_itself():
    with pytest.raises(SettingsError, match="'cm-step' is a curriculum over the steps"):
        build_strategy("cm-step", tokens=kmer_tokens(2), mask_rate=0.15)


def test_a_parameter_without_a_simple_default_is_refused_where_it_is_registered():
    with pytest.raises(SettingsError, match="'odd': its parameter 'sizes' needs a default"):

        @strategy("odd")
        def odd(sequence, sizes=(1, 2)):
            pass


@pytest.mark.parametrize(
    ("name", "units", "message"),
    [("a:b", "dna", "'a:b': a name may hold only letters, digits"), ("", "dna", "'': a name may hold"),
     ("mine.py", "dna", "a name may hold"), ("mine", "rna", "'mine': units must be one of any, dna, text")],
)  # fmt: skip
def test_a_name_or_units_that_could_not_be_used_are_refused_where_they_are_registered(name, units, message):
    with pytest.raises(SettingsError, match=message):
        strategy(name, units=units)
