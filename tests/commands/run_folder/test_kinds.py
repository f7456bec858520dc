import pytest

from genomask.commands.run_folder.kinds import RECORDS, refuse_others
from genomask.errors import SettingsError


@pytest.mark.parametrize("verb", RECORDS)
def test_a_folder_belongs_to_one_verb_only(verb, tmp_path):
    for own in RECORDS:
        refuse_others(tmp_path, own)
        refuse_others(tmp_path / "missing", own)
    (tmp_path / RECORDS[verb].replace("*", "0")).mkdir()
    (tmp_path / ".lock").touch()
    refuse_others(tmp_path, verb)
    for own in set(RECORDS) - {verb}:
        with pytest.raises(SettingsError, match=rf"holds a run of {verb} \(.*\); give another --out"):
            refuse_others(tmp_path, own)


def test_a_demo_holds_arms_but_is_not_a_run_of_compare(tmp_path):
    for name in ("arms", "simulated-3"):
        (tmp_path / name).mkdir()
    refuse_others(tmp_path, "demo")
    with pytest.raises(SettingsError, match="holds a run of demo"):
        refuse_others(tmp_path, "compare")
