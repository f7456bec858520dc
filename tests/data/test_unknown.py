from contextlib import nullcontext

import pytest

from genomask.data.unknown import require_known
from genomask.errors import DataError

REFUSED = pytest.raises(DataError, match=r"^a\.txt: 67% of the tokens are <unk>, so ask another\.$")


@pytest.mark.parametrize(
    ("unknown", "tokens", "outcome"),
    [(0, 0, nullcontext()), (0, 3, nullcontext()), (1, 2, nullcontext()), (2, 3, REFUSED)],
)
def test_more_than_half_unknown_tokens_are_refused_with_the_advice(unknown, tokens, outcome):
    with outcome:
        require_known(unknown, tokens, "<unk>", "a.txt", "ask another.")
