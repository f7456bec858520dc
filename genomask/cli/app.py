"""The command line: the verbs of genomask/cli/verbs, options of genomask itself, and how errors are shown.

Rooms are imported inside the verbs: `genomask --help` must not wait for torch.
"""

import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from genomask import __version__
from genomask.cli import verbs
from genomask.cli.options import LOUDNESS, repeat_options, usage_sentence
from genomask.errors import SettingsError, Stopped, UserError, disk_sentence
from genomask.machine.process import keep_few_kernels, keep_freed_memory
from genomask.terminal.console import escape_what_the_terminal_lacks, log_to_terminal, say, say_error
from genomask.training import distributed

app = typer.Typer(
    help="Pretrain a masked language model on your genome or on text, and learn which masking earns its compute.",
    pretty_exceptions_enable=False,
)
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises for a command line that it cannot parse."""


def main() -> None:
    """Run a verb; a mistake that the user can fix is one line on stderr and exit 2."""
    escape_what_the_terminal_lacks()
    log_to_terminal(logging.INFO)
    keep_freed_memory()
    keep_few_kernels()
    try:
        with _signals_as_they_came():
            sys.exit(app(repeat_options(sys.argv[1:]) or ["--help"], standalone_mode=False) or 0)
    except UsageError as error:
        say_error(usage_sentence(error))
    except UserError as error:
        say_error(str(error))
    except BrokenPipeError:  # the reader of the result has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except OSError as error:
        say_error(disk_sentence(error))
    except MemoryError as error:
        say_error(f"there is not enough memory for this ({error or 'none is left'}); ask for less, or free some.")
    except RuntimeError as error:
        if not any(words in str(error) for words in ("allocate memory", "out of memory")):  # torch's own, CPU and CUDA
            raise
        say_error(
            "there is not enough memory for this; ask for less (a smaller encoder, or --set "
            "training.tokens_per_microbatch=0, which finds what a GPU has room for), or free some."
        )
    except Stopped as stopped:
        say(str(stopped), stderr=True)
        sys.exit(128 + stopped.signal_number)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(2)


@contextmanager
def _signals_as_they_came() -> Iterator[None]:
    """Raise again what a signal raised during a call of compiled code, which turns it into a SystemError."""
    try:
        yield
    except SystemError as error:
        raise error.__cause__ or error from None


def _show_version(is_asked: bool) -> None:
    if is_asked:
        say(f"genomask {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only errors and the result, no bars and no notes.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the debug log as well.")] = False,
) -> None:
    """Options of genomask itself; its help is the app's."""
    if quiet and verbose:
        raise SettingsError("--quiet and --verbose cannot be combined; give one of them.")
    if quiet or verbose:
        log_to_terminal(LOUDNESS["--quiet" if quiet else "--verbose"])
    if (verb := context.invoked_subcommand) not in (None, "pretrain"):
        distributed.refuse_several(verb)


def add_verbs(app: typer.Typer) -> None:
    """Add each file of the folder as the verb of its name: a function, or an app of further verbs."""
    for module in pkgutil.iter_modules(verbs.__path__):
        verb = getattr(importlib.import_module(f"{verbs.__name__}.{module.name}"), module.name)
        name = module.name.replace("_", "-")
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=name)
        else:
            app.command(name)(verb)


add_verbs(app)
