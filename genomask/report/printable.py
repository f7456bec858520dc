"""Texts of users as they may be shown: a name or a label in, the same text without control characters out."""


def printable(text: str, keep: str = "") -> str:
    r"""The text with `\x1b` for an escape and the like, but for the letters in `keep`."""
    if text.isprintable():
        return text
    return "".join(x if x.isprintable() or x in keep else repr(x)[1:-1] for x in text)
