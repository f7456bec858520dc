import pytest

from genomask.data.unknown import require_known
from genomask.errors import DataError


@pytest.mark.parametrize(("unknown", "tokens"), [(0, 0), (0, 3), (1, 2)])
def test_half_may_be_unknown(unknown, tokens):
    require_known(unknown, tokens, "[UNK]", "a.txt", "ask another.")


def test_more_than_half_is_refused_with_the_advice():
    with pytest.raises(DataError, match=r"^a\.txt: 67% of the tokens are <unk>, so ask another\.$"):
        require_known(2, 3, "<unk>", "a.txt", "ask another.")
