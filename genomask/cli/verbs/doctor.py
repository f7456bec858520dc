"""The verb `doctor`: what is installed, and what this machine can do."""

from genomask.terminal.console import show


def doctor() -> None:
    """Say what is installed, which attention backend would run and why, and how fast this machine trains."""
    from genomask.commands.doctor import findings

    show(findings())
