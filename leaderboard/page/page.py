"""One self-contained HTML file of a board: a pure function of its tables.

Whatever comes from a submission is text, and stays text: it travels as JSON within a data block and is
entered by the script as text nodes. The content security policy names the one script and the one style of the
page by their hashes, and allows neither any other nor a connection.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING

from leaderboard.page.frames import embedded, json_text
from leaderboard.page.shown import CELL, COUNTS, RANKS, STANDING, nobody, shown
from leaderboard.status import MEANING, NOBODY, UNCOUNTED

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from leaderboard.board import Board
    from leaderboard.page.zoo import Described

#: The parts of the script, in their order; each sees the ones before it.
SCRIPTS = ("data", "format", "table", "scatter", "detail", "main")
#: Tables that the page holds whole, and under which names their CSV is saved.
DOWNLOADS = {"entries": "entries.csv", "long": "board.csv", "wins": "wins.csv"}


@dataclass(frozen=True)
class Contents:
    """What a page is made of.

    Attributes
    ----------
    long : DataFrame
        One row per cell and quantizer: the frame of a board.
    entries : DataFrame
        One row per quantizer: the standing.
    wins : DataFrame
        One row for every two quantizers: the win matrix.
    rules : str
        How the board is made, a paragraph a line.
    skipped : tuple of str
        What is not on the board, and why, a line each.
    meaning : mapping of str to str
        What each status of a row says.
    """

    long: "pd.DataFrame"
    entries: "pd.DataFrame"
    wins: "pd.DataFrame"
    rules: str = ""
    skipped: tuple[str, ...] = ()
    meaning: Mapping[str, str] | None = None


def board_page(board: "Board", submissions: "Path | None" = None) -> Iterator[str]:
    """Yield the page of a board, some text at a time.

    Parameters
    ----------
    board : Board
        The board.
    submissions : Path, optional
        Folder of its submissions, whose files say what their formulas are.
    """
    meaning = {str(status): text for status, text in MEANING.items()}
    contents = Contents(board.frame, board.entries, board.wins, board.rules, board.skipped, meaning)
    zoo = _built_in(contents.entries)
    if submissions is not None:
        from leaderboard.page.submitted import submitted
        from leaderboard.protocol import holds_trials

        entries = contents.entries
        own = set(entries.loc[entries["source"] == entries["quantizer"], "quantizer"])  # bears its own name
        zoo |= submitted(submissions, own - set(zoo), trials=holds_trials(board.results))
    return page(contents, zoo)


def page(contents: Contents, zoo: Mapping[str, "Described"] | None = None) -> Iterator[str]:
    """Yield the page, some text at a time.

    Parameters
    ----------
    contents : Contents
        The tables of the board.
    zoo : mapping of str to Described, optional
        What is known of each quantizer; :func:`leaderboard.page.zoo.described` of those that are built in if
        None. For others see :func:`leaderboard.page.submitted.submitted`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    zoo = _built_in(contents.entries) if zoo is None else zoo
    layouts, pieces = {}, []
    for name in DOWNLOADS:
        layouts[name], kept = embedded(name, getattr(contents, name))
        pieces.append(kept)
    script, style = _script(), _asset("style.css")
    loader = PackageLoader("leaderboard", "page/assets")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    told: dict[str, object] = {
        "script": script,
        "style": style,
        "script_hash": content_hash(script),
        "style_hash": content_hash(style),
        "meta": json_text(_meta(contents, layouts, zoo)),
        "pieces": (piece for kept in pieces for piece in kept),
        "rules": [_paragraph(line) for line in contents.rules.splitlines()],
        "meaning": dict(contents.meaning or {}),
        "skipped": [line.encode("utf-8", "replace").decode() for line in contents.skipped],
        "columns": {"All cells": STANDING, "One cell": CELL},
        "nobody": nobody(contents.long),
        **_counts(contents),
    }
    return environment.get_template("page.html").generate(told)


def _built_in(entries: "pd.DataFrame") -> dict[str, "Described"]:
    """Return what the zoo says of the quantizers that are built in."""
    from leaderboard.page.zoo import described

    own = entries["source"] == "built-in" if "source" in entries else slice(None)
    return described(entries.loc[own, "quantizer"])


def content_hash(text: str) -> str:
    """Return how a content security policy names an inline script or style: ``sha256-`` and base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _script() -> str:
    """Return the script of the page, its parts in one function so that nothing is global."""
    parts = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    return f'(function () {{\n"use strict";\n{parts}}})();\n'


def _asset(name: str) -> str:
    return resources.files("leaderboard.page").joinpath("assets", name).read_text(encoding="utf-8")


def _meta(
    contents: Contents, layouts: Mapping[str, object], zoo: Mapping[str, "Described"]
) -> dict[str, object]:
    """Return everything that the script is told, but the figures."""
    cell = shown(CELL, contents.long)
    return {
        "tables": layouts,
        "files": DOWNLOADS,
        "standing": shown(STANDING, contents.entries),
        "cell": cell,
        "ranks": [column for name in RANKS for column in cell if column["column"] == name],
        "meaning": dict(contents.meaning or {}),
        "nobody": list(NOBODY),
        "uncounted": list(UNCOUNTED),
        "counts": {name: words for name, words in COUNTS.items() if name in contents.entries},
        "zoo": {name: asdict(each) for name, each in zoo.items()},
    }


def _counts(contents: Contents) -> dict[str, int]:
    """Return how many there are of what the board is about."""
    long = contents.long
    return {
        "quantizers": int(long["quantizer"].nunique()),
        "cells": int(long["cell"].nunique()),
        "tasks": int(long["task"].nunique()),
        "rows": len(long),
    }


def _paragraph(line: str) -> tuple[str, str]:
    """Return the word that a rule begins with, and the rule."""
    head, stop, rest = line.partition(". ")
    return (head, rest) if stop and len(head) < 40 else ("", line)
