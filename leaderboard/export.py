"""Export the leaderboard: ``python -m leaderboard.export --format csv --out board.csv``."""

import io
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from molecules.command_line import Debug, run_app, user_errors
from molecules.errors import MolmisError

if TYPE_CHECKING:
    import pandas as pd

    from leaderboard.board import Board


class Format(StrEnum):
    """What can be written."""

    CSV = "csv"
    MARKDOWN = "markdown"
    PARQUET = "parquet"
    HTML = "html"


class Table(StrEnum):
    """Which table of the board."""

    LONG = "long"
    WIDE = "wide"
    ENTRIES = "entries"
    WINS = "wins"
    HISTORY = "history"


def export(
    results: Annotated[Path, typer.Option(help="Folder of the results store.")] = Path("results"),
    submissions: Annotated[Path, typer.Option(help="Folder of submissions; it need not be there.")] = Path(
        "submissions"
    ),
    format_: Annotated[
        Format,
        typer.Option("--format", help="What to write; html: the whole board as one page that opens offline."),
    ] = Format.CSV,
    table: Annotated[
        Table | None,
        typer.Option(
            help="long (the usual): a row per cell and quantizer; wide: a row a quantizer, three columns a "
            "cell; entries: how every quantizer stands; wins: who beats whom; history: what was replaced."
        ),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(
            help="Your own question: select ... from board, entries, wins, history, runs, attacks, full_pool."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    aggregate: Annotated[
        Aggregate, typer.Option(help="How r of the runs becomes one figure.")
    ] = Aggregate.MEAN,
    indicator: Annotated[
        Indicator, typer.Option(help="What r is: membership, or plain, our reading of the paper.")
    ] = Indicator.MEMBERSHIP,
    protocol: Annotated[
        int | None,
        typer.Option(help="Version of the protocol of the cells; the present one if not given."),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Say how the board is made, and stop.")] = False,
    debug: Debug = False,
) -> None:
    """Write every measured cell and quantizer, or how the quantizers stand, as one table or a page."""
    with user_errors(debug):
        _check(format_, table, sql, out)
        board = _board(results, submissions, aggregate, indicator, protocol)
        if rules:
            typer.echo(board.rules)
            return
        frame = _asked(board, table or Table.LONG, sql)
        texts = partial(_texts, board, frame, format_, submissions)
        if out is None:
            for text in texts():
                typer.echo(text, nl=False)
            return
        _write(frame, format_, texts, out)
        cells = f" of {frame['cell'].nunique():,} cells" if "cell" in frame else ""
        typer.echo(f"wrote {out}: {len(frame):,} rows{cells}", err=True)


def _check(format_: Format, table: Table | None, sql: str | None, out: Path | None) -> None:
    """Refuse what cannot be, before anything is read."""
    from molecules.cache import writable_file

    if format_ is Format.PARQUET and out is None:
        raise MolmisError("--format parquet writes bytes, not text; give a file: --out board.parquet")
    if table is not None and sql is not None:
        raise MolmisError(f"--table {table} and --sql are two questions; give one of them")
    if format_ is Format.HTML and (table is not None or sql is not None):
        given = "--sql" if table is None else f"--table {table}"
        raise MolmisError(f"--format html is the page of the whole board; leave out {given}")
    if out is not None:
        writable_file(out, "--out")


def _board(
    results: Path, submissions: Path, aggregate: Aggregate, indicator: Indicator, protocol: int | None
) -> "Board":
    """Return the board, its progress drawn on standard error; tell what is not on it."""
    from rich.console import Console

    from benchmark.progress import Bar
    from leaderboard.board import board

    made = board(
        results, aggregate, indicator, submissions=submissions, protocol=protocol,
        progress=Bar(Console(stderr=True)),
    )  # fmt: skip
    for line in made.skipped:
        typer.echo(f"skipped: {line}", err=True)
    return made


def _asked(board: "Board", table: Table, sql: str | None) -> "pd.DataFrame":
    """Return the table that was asked for."""
    if sql is not None:
        from leaderboard.sql import query

        return query(board, sql)
    made: pd.DataFrame = getattr(board, "frame" if table is Table.LONG else table)
    return made


def _texts(board: "Board", frame: "pd.DataFrame", format_: Format, submissions: Path) -> Iterator[str]:
    """Yield the frame in a format of text, or the page of the board."""
    from leaderboard.text import csv_text, markdown_text

    if format_ is Format.HTML:
        from leaderboard.page import board_page

        return board_page(board, submissions)
    return csv_text(frame) if format_ is Format.CSV else markdown_text(frame)


def _write(frame: "pd.DataFrame", format_: Format, texts: Callable[[], Iterator[str]], out: Path) -> None:
    """Write the frame or the page, whole or not at all."""
    from molecules.cache import atomic_write

    with atomic_write(out) as temporary:
        if format_ is Format.PARQUET:
            buffer = io.BytesIO()
            frame.to_parquet(buffer, index=False)
            temporary.write_bytes(buffer.getvalue())
            return
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(texts())


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(export)


def main() -> None:
    """Run the command line."""
    run_app(app, "python -m leaderboard.export")


if __name__ == "__main__":
    main()
