import gzip
import io

import pytest

from genomask.errors import DataError
from genomask.files.unpacked import FOREIGN_FORMATS, unpacked


def content(data):
    with unpacked(io.BufferedReader(io.BytesIO(data)), "x", "Unpack it first.") as file:
        return file.read()


@pytest.mark.parametrize("text", [b"", b"A", b"ACGT\n" * 1_000])
def test_plain_and_gzip_give_the_same_content(text):
    assert content(text) == content(gzip.compress(text)) == text


@pytest.mark.parametrize("magic", FOREIGN_FORMATS)
def test_another_format_is_named_with_what_to_do(magic):
    with pytest.raises(DataError, match=f"x: this is {FOREIGN_FORMATS[magic]}. Unpack it first."):
        content(magic + b"0" * 20)
