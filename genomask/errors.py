"""Errors a person can fix: each message says what is wrong, where, and how to fix it.

The command line prints a UserError as one line and exits with 2. Broken invariants of our own code are plain
assertions and keep their traceback.
"""

import errno


class UserError(Exception):
    """A mistake in input, settings or environment that the person running the command can fix."""


class DataError(UserError):
    """An input file cannot be read as what it should be; the message names the file and the place in it."""


class SettingsError(UserError):
    """A setting that is unknown, out of range, or in conflict with another."""


class TrainingError(UserError):
    """A run that cannot continue: the loss is not finite, no disk is left, a checkpoint is damaged."""


class Stopped(Exception):  # noqa: N818 - not an error
    """A run was asked to stop (Ctrl-C or SIGTERM) and has saved a checkpoint; the command exits with 128 + signal."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def disk_sentence(error: OSError) -> str:
    """What a person can do about a file or folder that cannot be used; the last resort for unforeseen errors."""
    said = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        said += "; free space there, then run the command again, with --resume if it has that option and had started"
    else:
        said += "; make sure that it can be read and written, or give another path"
    return f"{error.filename}: {said}" if error.filename else said


def counted(n: int, noun: str, plural: str = "") -> str:
    """Such as '1 entry' or '1,200 entries'; `plural` where it is not the noun with an s."""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"


def shown(text: str, most: int = 60) -> str:
    """Text from a user's file, for a message: cut where it is long, and by repr where it is not printable."""
    text = text if len(text) <= most else f"{text[:most]}..."
    return text if text.isprintable() else repr(text)


def quoted(text: str, most: int = 60) -> str:
    """The same, in quotes, as Python writes it."""
    return repr(text if len(text) <= most else f"{text[:most]}...")
