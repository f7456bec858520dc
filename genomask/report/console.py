"""Where results are printed: the terminal at its own width, or a file or pipe with room for a table."""

import sys

from rich.console import Console


def console() -> Console:
    """A console on standard output; tables wrap at the terminal's width, elsewhere they get 120 columns."""
    return Console() if sys.stdout.isatty() else Console(width=120)
