"""The ``molmis`` command: every entry point of the project as a subcommand.

``molmis run`` is ``python -m benchmark.run``, ``molmis export`` is ``python -m leaderboard.export``,
``molmis reproduce`` is ``python -m benchmark.reproduce``, ``molmis quantizers`` is
``python -m models.quantizers``, ``molmis embed`` is ``python -m models.embed``, ``molmis submit`` and
``molmis verify`` are ``python -m leaderboard.submit`` and ``python -m leaderboard.verify``.
"""

import typer

from benchmark.embed_command import EPILOG as EMBED_EPILOG
from benchmark.embed_command import embed
from benchmark.quantizer_commands import app as quantizers
from benchmark.reproduce import app as reproductions
from benchmark.run import EPILOG, run
from leaderboard.export import export
from leaderboard.submit import submit
from leaderboard.verify import verify
from molecules.command_line import run_app

app = typer.Typer(
    name="molmis",
    help="What quantizers leak about the training molecules of a property model, and what they cost.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("run", epilog=EPILOG.replace("python -m benchmark.run", "molmis run"))(run)
app.command("embed", epilog=EMBED_EPILOG.replace("python -m models.embed", "molmis embed"))(embed)
app.command("export")(export)
app.command("submit")(submit)
app.command("verify")(verify)
app.add_typer(reproductions, name="reproduce")
app.add_typer(quantizers, name="quantizers")


def main() -> None:
    """Run the command line."""
    run_app(app, "molmis")


if __name__ == "__main__":
    main()
