"""Submit a quantizer to the board: ``python -m leaderboard.submit mine.py --name ... --author ...``."""

from pathlib import Path
from typing import Annotated

import typer

from molecules.command_line import Debug, run_app, user_errors
from molecules.errors import MolmisError


def submit(
    source: Annotated[Path, typer.Argument(help="Python file with one quantizer.", show_default=False)],
    name: Annotated[str, typer.Option(help="What the board calls it.", show_default=False)],
    author: Annotated[str, typer.Option(help="Who submits it.", show_default=False)],
    paper: Annotated[str | None, typer.Option(help="Address where it is described.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="The board's if not given; [bold]trial[/bold] takes a minute and is not for the board."
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds by commas: those of the protocol, and further ones.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the contract, estimate the time, and stop.")
    ] = False,
    submissions: Annotated[Path, typer.Option(help="Folder of all submissions.")] = Path("submissions"),
    results: Annotated[Path, typer.Option(help="Folder of the results store.")] = Path("results"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_dir: Annotated[Path | None, typer.Option(help="Where raw data files are looked for first.")] = None,
    debug: Debug = False,
) -> None:
    """Measure a quantizer by the board's protocol, and write its submission.

    Its code is run in the sandbox only. A stopped submission goes on where it was when the same command is
    given again.
    """
    with user_errors(debug):
        from rich.console import Console

        from benchmark.progress import Bar
        from leaderboard import estimate, submission
        from leaderboard.protocol import CURRENT
        from tasks.task import DataOptions

        progress = Bar(Console(stderr=True))
        chosen, asked_seeds = protocol or CURRENT, _seeds(seeds)
        options = DataOptions(data_dir, progress=progress)
        if device not in ("auto", "cpu", "cuda"):
            raise MolmisError(f"--device {device!r}: give auto, cpu or cuda")
        if dry_run:
            wanted = submission.asked(
                source, name, author, paper, protocol=chosen, seeds=asked_seeds, submissions=submissions
            )
            Console(width=100).print(
                estimate.table(estimate.estimate(wanted, source, options, device, progress))
            )
            return
        made = submission.submit(
            source, name, author, paper, protocol=chosen, seeds=asked_seeds, submissions=submissions,
            results=results, options=options, device=device, progress=progress,
        )  # fmt: skip
        if not made.protocol.on_board:
            progress.note(f"a trial: its results are in {results / made.protocol.name}, and not on the board")
        typer.echo(made.folder)


def _seeds(text: str | None) -> list[int] | None:
    """Return the seeds in a text that separates them by commas."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [part for part in parts if not (part.isascii() and part.isdigit())]
    if wrong or not parts:
        raise MolmisError(f"--seeds {text!r}: give whole numbers separated by commas, such as 0,1,2,3")
    return [int(part) for part in parts]


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(submit)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m leaderboard.submit")


if __name__ == "__main__":
    main()
