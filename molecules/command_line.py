"""What every command line of the project has in common: how mistakes are told, and exit codes."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from molecules.errors import MolmisError

#: An option that every command has.
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextmanager
def user_errors(debug: bool) -> Iterator[None]:
    """Turn a user's mistake into one line on standard error and exit code 2."""
    try:
        yield
    except MolmisError as error:
        if debug:
            traceback.print_exc()
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it was", err=True)
        raise typer.Exit(130) from None


def given_options(context: typer.Context) -> dict[str, str]:
    """Return the options on the command line, as they are written, by the name of their parameter."""
    found = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        off = context.params.get(name) is False and parameter.secondary_opts
        found[name] = (parameter.secondary_opts if off else parameter.opts)[0]
    return found


def run_app(application: typer.Typer, name: str) -> None:
    """Run a command line; a misspelt option or choice is one line on standard error and exit code 2."""
    try:
        sys.exit(application(prog_name=name, standalone_mode=False))
    except Exception as error:
        if not hasattr(error, "format_message"):  # what the command-line library raises for a usage error
            raise
        message = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
        if message:  # there is none where no command was given, and the help is printed instead
            typer.echo(f"error: {message}. See: {name} --help", err=True)
        sys.exit(2)
