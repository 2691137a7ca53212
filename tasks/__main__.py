"""The command line ``python -m tasks``: the page about the tasks, made from the code."""

from pathlib import Path
from typing import Annotated

import typer

from molecules.command_line import Debug, run_app, user_errors

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def tasks() -> None:
    """Tasks: what is predicted. ``python -m benchmark.run --list tasks`` lists them."""


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="Folder of tasks.md.")] = Path("docs"), debug: Debug = False
) -> None:
    """Make the page about the tasks from the code."""
    with user_errors(debug):
        from molecules.cache import atomic_write, writable_file
        from tasks.page import page

        text = writable_file(out / "tasks.md", "--out")
        with atomic_write(text) as temporary:
            temporary.write_text(page())
        typer.echo(f"wrote {text}", err=True)


run_app(app, "python -m tasks")
