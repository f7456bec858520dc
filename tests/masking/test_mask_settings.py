import pytest

from genomask.errors import SettingsError
from genomask.masking import MaskSettings


def test_the_defaults_are_random_spans_at_15_percent_per_span():
    settings = MaskSettings()
    assert (settings.strategy, settings.mask_rate, settings.match, settings.corruption) == (
        "random-span", 0.15, "tokens", "span",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strategy", "everything"),
        ("mask_rate", 0),
        ("mask_rate", 1.0),
        ("match", "letters"),
        ("corruption", "word"),
        ("npmi_min_count", 1),
        ("npmi_definition", "rough"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_key(field, value):
    with pytest.raises(SettingsError, match=rf"masking[. ]{field}"):
        MaskSettings(**{field: value})
