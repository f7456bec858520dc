"""The verb `cache`: list what is kept between runs; `cache clear` frees it."""

import sys
from typing import Annotated

import typer

from genomask.errors import SettingsError, counted
from genomask.terminal.console import say, show

cache = typer.Typer(
    invoke_without_command=True,
    help="List what is kept between runs: genomes, tokenised text, vocabularies, mask rates. To free it: cache clear.",
)


@cache.callback()
def listing(context: typer.Context) -> None:
    """List what is kept between runs: genomes, tokenised text, vocabularies, mask rates. To free it: cache clear."""
    if context.invoked_subcommand:
        return
    from genomask.commands.cache import listed
    from genomask.files.cache import default_cache

    show(listed(default_cache()))


@cache.command()
def clear(
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Only what has not been used for this many days.")
    ] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove what is kept between runs, except what a running process is using; it is rebuilt when needed."""
    from genomask.commands import cache as room
    from genomask.files.cache import default_cache

    root = default_cache()
    chosen = room.older_than(root, older_than)
    if chosen and not yes:
        said = (
            f"{root}: {counted(len(chosen), 'entry', 'entries')} of {room.sized(sum(entry.size for entry in chosen))}"
        )
        if not sys.stdin.isatty():
            raise SettingsError(f"{said} would be removed; without a terminal, give --yes.")
        say(said)
        typer.confirm("Remove them?", abort=True)
    show(room.clear(root, chosen))
