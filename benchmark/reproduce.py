"""The command line of the reproductions: ``python -m benchmark.reproduce fig5``.

Every sub-command makes one figure of the paper again, with its numbers as CSV and one sentence of what is to
be seen. The sub-commands are the members of :data:`benchmark.reproductions.REPRODUCTIONS`.
"""

import typer

from benchmark.reproductions import REPRODUCTIONS
from molecules.command_line import run_app

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False
)


@app.callback()
def reproduce() -> None:
    """Make figures of the paper (arXiv 2502.06567) again, by our reading of it."""


for _name, _command in REPRODUCTIONS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m benchmark.reproduce")


if __name__ == "__main__":
    main()
