"""Bytes in, damaged bytes out: what editors, copies, transfers and other programs do to files, and what nobody does."""

import functools
import gzip
import random
import re
from collections.abc import Callable

WORDS = (
    *(
        "",
        " ",
        "\t",
        ".",
        "..",
        "/",
        "-",
        "--",
        "=",
        ",",
        ";",
        ":",
        "(",
        ")",
        "=(",
        ">",
        ">>",
        "@",
        "#",
        "*",
        "~",
        "\\",
    ),
    *(
        "'",
        '"',
        '"a',
        "'''",
        "[/b]",
        "[red]x[/red]",
        "{0}",
        "{x}",
        "%s",
        "$HOME",
        "\x1b[31mred",
        "\x07",
        "a\rb",
        "a\nb",
    ),
    *("\x7f", "\x85", "\u202e", "\u2028", "\ufeff", "\u0130", "é", "😀", "ß" * 40, "²", "٣", "Ⅷ", "a" * 300),
    *("nan", "inf", "-inf", "null", "None", "true", "[]", "{}", "ACGT", "acgtn", "N" * 50, "RYKM", "U", "NaN"),
)
"""Text where none is expected: markup, escapes, separators, other alphabets' letters."""

NUMBERS = (
    *("0", "1", "2", "-1", "-0", "+5", "007", "1.0", "0.5", "1e3", "1e400", "1e-400", "-1e9", "0x10", "1_000", "1,000"),
    *("2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 40),
    *("9" * 5000, "1.5.2", "1e", "5-", "5 5", "٣", "²", "nan", "inf", "-inf", "1000000000000", "3", "7", "63", "100"),
)
"""Numbers too large, negative, in other notations, or not numbers at all."""

MAGIC = (
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"BZh9",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"\x89PNG\r\n",
    b"%PDF-1.4\n",
    b"\x7fELF",
)
"""First bytes of other kinds of file."""

Damage = Callable[[random.Random, bytes], bytes]


def any_word(rng: random.Random) -> str:
    """Text or a number from the lists above."""
    return rng.choice(NUMBERS if rng.random() < 0.4 else WORDS)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The data after one to three kinds of damage."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(DAMAGES)(rng, data)
    return data


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    """One to eight flipped bits."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut_end(rng: random.Random, data: bytes) -> bytes:
    """Only the beginning is there."""
    return data[: rng.randrange(len(data) + 1)]


def cut_out(rng: random.Random, data: bytes) -> bytes:
    """A stretch is missing."""
    start, stop = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[stop:]


def zero_out(rng: random.Random, data: bytes) -> bytes:
    """A stretch is zeros, as a lost page of a disk's cache leaves it."""
    start, stop = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + bytes(stop - start) + data[stop:]


def append_junk(rng: random.Random, data: bytes) -> bytes:
    """Zeros, or random bytes, follow the end."""
    return data + (bytes(rng.randint(1, 99)) if rng.random() < 0.5 else rng.randbytes(rng.randint(1, 99)))


def put_word(rng: random.Random, data: bytes) -> bytes:
    """A word where it does not belong."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + any_word(rng).encode() + data[at:]


def replace_word(rng: random.Random, data: bytes) -> bytes:
    """A word or number of the text is replaced by another."""
    words = list(re.finditer(rb"[^\s,:;=\"\[\]{}]+", data[:20_000]))
    if not words:
        return put_word(rng, data)
    word = rng.choice(words)
    return data[: word.start()] + any_word(rng).encode() + data[word.end() :]


def change_digit(rng: random.Random, data: bytes) -> bytes:
    """One digit or three change: lengths stay, so lengths that are written elsewhere still hold."""
    at = [place for place, byte in enumerate(data[:20_000]) if 48 <= byte <= 57]
    changed = bytearray(data)
    for place in rng.sample(at, min(len(at), rng.choice((1, 1, 3)))):
        changed[place] = rng.choice(b"0123456789-")
    return bytes(changed)


def shuffle_lines(rng: random.Random, data: bytes) -> bytes:
    """A line is repeated, missing, glued to its neighbour or elsewhere."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines.insert(to, lines[at])
        case 1:
            del lines[at]
        case 2:
            lines[at] = lines[at].rstrip(b"\r\n")
        case _:
            lines.insert(to, lines.pop(at))
    return b"".join(lines)


def change_line_ends(rng: random.Random, data: bytes) -> bytes:
    """The line ends of other systems, also mixed or missing."""
    ends = (b"\r", b"\r\n", b"\n\r", b"\n\n", b"\x0b", b"\xc2\x85", b"\xe2\x80\xa8", b"")
    return data.replace(b"\n", rng.choice(ends), rng.choice((1, -1)))


def change_separators(rng: random.Random, data: bytes) -> bytes:
    """Tabs become commas, commas spaces, quotes apostrophes ..."""
    old, new = rng.sample((b"\t", b",", b" ", b";", b'"', b"'", b":", b">"), 2)
    return data.replace(old, new, rng.choice((1, -1)))


def change_encoding(rng: random.Random, data: bytes) -> bytes:
    """A byte order mark, UTF-16, UTF-32, Latin-1, or a lone surrogate."""
    text = data.decode("utf-8", "replace")
    return rng.choice((
        b"\xef\xbb\xbf" + data, text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-32"),
        b"\xff" + data, "é".encode("latin-1") + data, b"\xed\xa0\x80" + data, data + b"\xed\xbf\xbf",
    ))  # fmt: skip


def change_compression(rng: random.Random, data: bytes) -> bytes:
    """Compressed though the name does not say so, twice, in two members, cut short, or damaged."""
    packed = gzip.compress(data, mtime=0)
    half = len(data) // 2
    members = gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    choices = (packed, gzip.compress(packed, mtime=0), members, packed[: len(packed) // 2], flip_bits(rng, packed))
    return rng.choice((*choices, packed + b"junk", packed[:-4], packed[:10]))


def change_kind(rng: random.Random, data: bytes) -> bytes:
    """It begins as another kind of file, or is random bytes, or empty, or blank."""
    return rng.choice(
        (rng.choice(MAGIC) + data, rng.choice(MAGIC), rng.randbytes(99), b"", b"\n", b" \n\t\n", b"\x00" * 64)
    )


def lengthen(rng: random.Random, data: bytes) -> bytes:
    """A very long line, or the whole repeated."""
    if rng.random() < 0.5:
        return data * rng.choice((2, 3, 20))
    at = rng.randrange(len(data) + 1)
    return (
        data[:at]
        + rng.choice((b"A", b'"', b"x", b"1", b" ", b"[", b"\xc3\xa9")) * rng.choice((300, 5_000, 200_000))
        + data[at:]
    )


@functools.cache
def bomb() -> bytes:
    """3 GiB of one letter on one line, in 3 MB of gzip."""
    return gzip.compress(b"A" * 2**26, mtime=0) * 48


DAMAGES: tuple[Damage, ...] = (
    *(flip_bits, change_digit, cut_end, cut_out, zero_out, append_junk, put_word, put_word, lengthen, change_kind),
    *(replace_word, replace_word, replace_word, shuffle_lines, shuffle_lines, change_line_ends, change_separators),
    *(change_encoding, change_compression),
)
