"""Formulas of submissions on the page: read from files that are never run, and shown as text."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leaderboard import board, export
from leaderboard.manifest import SCHEMA, Manifest, about
from leaderboard.page import board_page, page
from leaderboard.page.submitted import formula_of, submitted
from tests.benchmark.test_results import written
from tests.leaderboard.page_board import SCRIPT, hostile, text_of
from tests.leaderboard.test_page import Elements, data_of

UNSHOWN = "\N{REPLACEMENT CHARACTER}"
READ = "The file of a submission is read for this page, and not run."


def handed_in(submissions: Path, name: str, source: bytes, protocol: str = "board-1", **changes: str) -> Path:
    """Write the folder of a submission, without results; return its file."""
    folder = submissions / protocol / name
    folder.mkdir(parents=True)
    (folder / "quantizer.py").write_bytes(source)
    cost = {"seconds": 1.0, "cpu_seconds": 1.0, "peak_memory_mib": 1.0}
    machine = {"system": "s", "processor": "p", "cores": 1, "memory_gib": 1, "device": "cpu", "threads": 1}
    path = f"results/a.b.1-runs.seed-0.{'0' * 16}.parquet"
    cell = {"task": "a", "encoder": "b", "seed": 0, "key": "0" * 16, "cost": cost}
    told = {
        "schema_version": SCHEMA, "protocol": protocol, "seeds": [0], "created": "2026-01-01T00:00:00Z",
        "about": about(changes.get("says", name), "Ann", changes.get("paper")).model_dump(),
        "source": {"file": "quantizer.py", "sha256": hashlib.sha256(source).hexdigest()}, "bits": 2.0,
        "containment": {"level": "limits", "walls": {}}, "versions": {}, "machine": machine, "cost": cost,
        "cells": [cell | {"files": [{"path": path, "sha256": "0" * 64}]}],
    }  # fmt: skip
    (folder / "manifest.json").write_text(Manifest.model_validate_json(json.dumps(told)).text())
    return folder / "quantizer.py"


@pytest.mark.parametrize(
    ("source", "formula"),
    [
        ('BITS = 2\nFORMULA = "s * sgn(w)"\n', "s * sgn(w)"),
        ("FORMULA: str = 's'  # of the scale\n", "s"),
        ('FORMULA = (\n    "one "\n    \'two\'\n)\n', "one two"),
        ('FORMULA = """first\n  second\tthird"""', "first second third"),
        (r'FORMULA = r"\alpha w"; BITS = 2', r"\alpha w"),
        (r'FORMULA = "\alpha \sqrt{w}"', UNSHOWN + "lpha \\sqrt{w}"),
        ('FORMULA = "one"\nFORMULA = "two"\n', "two"),
        ("\N{BYTE ORDER MARK}FORMULA = 'Σ|w|'\n", "Σ|w|"),
        ("# coding: latin-1\nFORMULA = 'x'\n", "x"),
        ('"""A line of a text is none:\nFORMULA = "no"\n"""\nFORMULA = "yes"\n', "yes"),
        ('FORMULA = "yes"\n\n\ndef quantize(m):\n    FORMULA = "no"\n    return m\n', "yes"),
        (f"FORMULA = {SCRIPT!r}", SCRIPT),
        ("FORMULA = '\u202eab\\u202e\\0\\ud800'", f"{UNSHOWN}ab{UNSHOWN * 3}"),
    ],
)  # fmt: skip
def test_a_formula_is_one_line_of_text(source, formula):
    assert formula_of(source.encode()) == formula


@pytest.mark.parametrize(
    "source",
    [
        "", "BITS = 2", "FORMULA", "FORMULA = ", "FORMULA = 3", "FORMULA = b'x'", "FORMULA = ('a', 'b')",
        "FORMULA = ''", "FORMULA = f'{open(1)}'", "FORMULA = 'a' + 'b'", "FORMULA = open('x')",
        "FORMULA = 'a'.upper()", "FORMULA += 'a'", "FORMULA == 'a'", "FORMULA = 'a' if 1 else 'b'",
        "FORMULA = ('a'", "FORMULA = 'a", "FORMULA = '\\x'", "FORMULA = 'a'('b')", "x = FORMULA = 'a'",
        "FORMULA = 'good'\nFORMULA = bad()", "FORMULA = 'a'\n  b = 2\n c = 3", "class A:\n    FORMULA = 'a'",
        "# coding: nonsense\nFORMULA = 'a'", "FORMULA = " + "(" * 500 + "'a'" + ")" * 500,
        "FORMULA = " + "'a' " * 500,
    ],
)  # fmt: skip
def test_whatever_else_is_no_formula(source):
    assert formula_of(source.encode()) == ""


def test_bytes_that_are_no_text_are_no_formula():
    assert formula_of(b"FORMULA = '\xff'") == formula_of(b"\xff\xfe\0\0") == ""


def test_a_huge_formula_is_cut():
    assert formula_of(b"FORMULA = '" + b"w" * 300 + b"'") == "w" * 300
    assert formula_of(b"FORMULA = '" + b"w " * 200_000 + b"'") == ("w " * 150)[:299] + "…"


@pytest.mark.parametrize(
    "text", ["f'" + "{a}" * 3000 + "'", "-" * 9000 + "1", "[" + "1," * 9000 + "]", "not " * 9000 + "1"]
)
def test_no_tree_is_made_of_a_file(text, monkeypatch):
    """Python takes minutes, gigabytes or its last frame for trees of such texts."""
    parsed = []
    monkeypatch.setattr("ast.literal_eval", lambda text: parsed.append(text) or "shown")
    assert formula_of(f"x = {text}\nFORMULA = {text}\n".encode()) == ""
    assert parsed == []
    assert formula_of(f"x = {text}\nFORMULA = 'a'\n".encode()) == "shown"
    assert parsed == ["'a'"]


def test_nothing_of_a_submission_is_run(tmp_path):
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode()
    handed_in(tmp_path, "trap", trap + b"FORMULA = 'w'\n" + trap, paper="https://example.org/a")
    before = set(sys.modules)
    told = submitted(tmp_path, ["trap", "another"])
    assert list(told) == ["trap"]
    assert (told["trap"].formula, told["trap"].reference) == ("w", "https://example.org/a")
    assert told["trap"].remark == f"No curve. {READ}"
    assert told["trap"].curve == ()
    assert not (tmp_path / "ran").exists()
    assert {name for name in set(sys.modules) - before if "quantizer" in name} == set()


def test_a_file_that_is_not_the_submitted_one_says_nothing(tmp_path):
    handed_in(tmp_path, "changed", b"FORMULA = 'w'").write_text("FORMULA = 'other'")
    handed_in(tmp_path, "gone", b"FORMULA = 'w'").unlink()
    link = handed_in(tmp_path, "linked", b"FORMULA = 'w'")
    link.rename(tmp_path / "elsewhere.py")
    link.symlink_to(tmp_path / "elsewhere.py")
    handed_in(tmp_path, "renamed", b"FORMULA = 'w'", says="another")
    (handed_in(tmp_path, "broken", b"FORMULA = 'w'").parent / "manifest.json").write_text("{")
    handed_in(tmp_path, "tried", b"FORMULA = 'w'", "trial")
    names = ["changed", "gone", "linked", "renamed", "another", "broken", "tried"]
    assert submitted(tmp_path, names) == {}
    assert list(submitted(tmp_path, names, trials=True)) == ["tried"]
    assert submitted(tmp_path / "nowhere", names) == {}


def zoo_of(text: str) -> dict[str, dict[str, object]]:
    return json.loads(data_of(Elements(text))["meta"])["zoo"]


def test_the_page_of_a_board_has_the_formulas_of_its_submissions(tmp_path):
    written(tmp_path / "results", "k1", "a")
    made = board(tmp_path / "results")
    own = made.frame["quantizer"].unique()[1]
    for name, source in ((own, f"FORMULA = {SCRIPT!r}"), ("elsewhere", "FORMULA = 'w'")):
        handed_in(tmp_path / "submissions", name, source.encode())
    assert SCRIPT not in str(
        zoo_of("".join(board_page(made, tmp_path / "submissions")))
    )  # it is built in here
    frame = made.frame.assign(source=made.frame["source"].mask(made.frame["quantizer"] == own, own))
    text = "".join(board_page(replace(made, frame=frame), tmp_path / "submissions"))
    told = zoo_of(text)
    assert told[own]["formula"] == SCRIPT
    assert "elsewhere" not in told
    assert SCRIPT not in text  # but as JSON that cannot be a tag
    assert {name for name in told if told[name]["curve"]} == set(frame["quantizer"]) - {own}
    assert own not in zoo_of("".join(board_page(replace(made, frame=frame))))


def test_a_page_without_submissions_is_as_before():
    drawn = hostile()
    assert text_of(drawn) == "".join(page(drawn))


def test_the_command_line_gives_the_page_its_submissions(tmp_path, monkeypatch):
    written(tmp_path / "results", "k1", "a")
    asked: list[Path | None] = []
    monkeypatch.setattr(
        "leaderboard.page.board_page", lambda made, folder=None: asked.append(folder) or ["page"]
    )
    arguments = [
        "--results",
        str(tmp_path / "results"),
        "--submissions",
        str(tmp_path / "mine"),
        "--format",
        "html",
    ]
    assert CliRunner().invoke(export.app, arguments).output == "page"
    assert asked == [tmp_path / "mine"]
