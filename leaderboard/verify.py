"""Verify a submission: ``python -m leaderboard.verify submissions/board-1/NAME``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from molecules.command_line import Debug, run_app, user_errors
from molecules.errors import MolmisError

if TYPE_CHECKING:
    from leaderboard.verification import Verification

_CELLS = "5%"


def verify(
    submission: Annotated[Path, typer.Argument(help="Folder of a submission.", show_default=False)],
    cells: Annotated[
        str, typer.Option(help="Share of the cells that is measured again, or [bold]all[/bold].")
    ] = _CELLS,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of the drawing of cells; if not given, one that nobody knew before.", min=0, max=2**63 - 1
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_dir: Annotated[Path | None, typer.Option(help="Where raw data files are looked for first.")] = None,
    debug: Debug = False,
) -> None:
    """Measure a random sample of a submission's cells again and compare; write what came out beside it.

    Exit code 0: verified; 1: mismatching; 2: it is no whole submission, or could not be measured.
    """
    with user_errors(debug):
        import secrets

        from rich.console import Console

        from benchmark.progress import Bar
        from leaderboard import rerun, verification
        from leaderboard.folder import read_submission
        from tasks.task import DataOptions

        if device not in ("auto", "cpu", "cuda"):
            raise MolmisError(f"--device {device!r}: give auto, cpu or cuda")
        share, progress = share_of(cells), Bar(Console(stderr=True))
        nameless = submission.name in ("", "..")  # such as ".": what comes out is written beside its name
        handed_in = read_submission(submission.resolve() if nameless else submission)
        if handed_in.name != handed_in.folder.name:
            raise MolmisError(
                f"{submission} says that its name is {handed_in.name}, so the board skips it; "
                "rename the folder"
            )
        made = rerun.verify(
            handed_in, share, secrets.randbits(62) if seed is None else seed,
            options=DataOptions(data_dir, progress=progress), device=device, progress=progress,
        )  # fmt: skip
        progress.note(f"wrote {verification.write(handed_in.folder, made)}")
        for line in told(made):
            typer.echo(line)
        if made.verdict != verification.VERIFIED:
            raise typer.Exit(1)


def share_of(text: str) -> float:
    """Return the share that a text means: ``5%``, ``100%``, ``all``.

    Raises
    ------
    MolmisError
        If it means none.
    """
    number = "100" if text.strip().lower() == "all" else text.strip().removesuffix("%")
    try:
        share = float(number) / 100
    except ValueError:
        share = -1.0
    if not 0 < share <= 1 or not text.strip().endswith(("%", "all", "ALL")):
        raise MolmisError(
            f"--cells {text!r}: give a share above 0 and at most 100 with %, such as 5%, or all"
        )
    return share


def told(made: "Verification") -> list[str]:
    """Return what came out, in lines."""
    lines = [
        f"{made.verdict}: {len(made.cells)} of {made.of_cells} cells measured again "
        f"({sum(cell.figures for cell in made.cells):,} figures; drawn with --seed {made.seed})"
    ]
    for cell in made.cells:
        said = f"{cell.task} · {cell.encoder} · seed {cell.seed}: "
        if not cell.alike:
            said += "another kind of processor: "
        if cell.largest_of:
            said += f"largest difference {cell.largest:.2g} of what is allowed ({cell.largest_of})"
        else:
            said += "no difference" if not cell.beyond else "no difference within what is allowed"
        lines.append(said + (f"; {cell.beyond:,} figures differ more than is allowed" if cell.beyond else ""))
        lines += [
            f"  {one.frame}: {one.column} {f'of {one.where} ' if one.where else ''}"
            f"is {one.submitted[:60]}, measured again {one.measured[:60]} (allowed: {one.allowed})"
            for one in cell.deviations[:5]
        ]
    lines += [f"other version of {name}: {said}" for name, said in made.versions_differ.items()]
    return lines


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(verify)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m leaderboard.verify")


if __name__ == "__main__":
    main()
