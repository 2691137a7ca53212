"""Export the leaderboard: ``python -m leaderboard.export --format csv --out board.csv``."""

import io
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from molecules.command_line import Debug, run_app, user_errors

if TYPE_CHECKING:
    import pandas as pd


class Format(StrEnum):
    """What can be written."""

    CSV = "csv"
    MARKDOWN = "markdown"
    PARQUET = "parquet"


def export(
    results: Annotated[Path, typer.Option(help="Folder of the results store.")] = Path("results"),
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    aggregate: Annotated[
        Aggregate, typer.Option(help="How r of the runs becomes one figure.")
    ] = Aggregate.MEAN,
    indicator: Annotated[
        Indicator, typer.Option(help="What r is: membership, or plain, our reading of the paper.")
    ] = Indicator.MEMBERSHIP,
    debug: Debug = False,
) -> None:
    """Write every measured cell and quantizer as one table, a row each."""
    with user_errors(debug):
        from leaderboard.board import board
        from molecules.cache import atomic_write, writable_file
        from molecules.errors import MolmisError

        if format_ is Format.PARQUET and out is None:
            raise MolmisError("--format parquet writes bytes, not text; give a file: --out board.parquet")
        if out is not None:
            writable_file(out, "--out")
        made = board(results, aggregate, indicator)
        for line in made.skipped:
            typer.echo(f"skipped: {line}", err=True)
        data = _written(made.frame, format_)
        if out is None:
            typer.echo(data.decode(), nl=False)
            return
        with atomic_write(out) as temporary:
            temporary.write_bytes(data)
        typer.echo(f"wrote {out}: {len(made.frame)} rows of {made.frame['cell'].nunique()} cells", err=True)


def _written(frame: "pd.DataFrame", format_: Format) -> bytes:
    """Return the frame in a format, as bytes."""
    if format_ is Format.PARQUET:
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if format_ is Format.CSV:
        return frame.to_csv(index=False).encode()  # type: ignore[no-any-return]
    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * len(frame.columns) + "\n"
    rows = (
        " | ".join(str(value).replace("|", "\\|") for value in row) for row in frame.itertuples(index=False)
    )
    return (head + "".join(f"| {row} |\n" for row in rows)).encode()


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(export)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m leaderboard.export")


if __name__ == "__main__":
    main()
