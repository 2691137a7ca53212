"""The board as CSV, Markdown and Parquet, read back; exit codes of the command."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from benchmark.tables import STABLE_COLUMNS
from leaderboard import board, console, export
from tests.benchmark.test_results import written

#: Columns of text that may be empty.
TEXTS = ("flags", "strongest_attack", "measured", "author", "verified")


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "results"
    written(folder, "k1", "a")
    written(folder, "k2", "b")
    return folder


def called(*arguments: object) -> Result:
    return CliRunner().invoke(export.app, [str(argument) for argument in arguments])


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    # a text file carries neither Int64 nor an empty string; the values must be the same
    texts = {name: found[name].astype(object).where(found[name].notna(), "") for name in TEXTS}
    found = found.assign(**texts)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=False, rtol=1e-12)


def test_csv_on_standard_output(results):
    done = called("--results", results)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split(",")[:20] == list(STABLE_COLUMNS)
    assert len(lines) == 1 + 4


@pytest.mark.parametrize(
    ("name", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)], ids=["csv", "parquet"]
)
def test_files_hold_the_frame(name, read, results, tmp_path):
    out = tmp_path / "made" / f"board.{name}"
    done = called("--results", results, "--format", name, "--out", out)
    assert done.exit_code == 0, done.output
    same(read(out), board(results).frame)
    assert f"wrote {out}: 4 rows of 2 cells" in done.stderr
    assert done.stdout == ""
    assert [path.name for path in out.parent.iterdir()] == [out.name]  # no part is left beside it


def test_markdown_has_a_row_each_and_every_column(results):
    done = called("--results", results, "--format", "markdown")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    frame = board(results).frame
    assert rows[0] == list(frame.columns)
    assert set(rows[1]) == {"---"}
    assert [row[:3] for row in rows[2:]] == frame[["task", "encoder", "quantizer"]].to_numpy().tolist()
    assert {len(row) for row in rows} == {len(frame.columns)}


def test_markdown_of_a_name_with_a_bar_keeps_its_columns(tmp_path):
    written(tmp_path, "k1", "a|b")
    done = called("--results", tmp_path, "--format", "markdown")
    assert "a\\|b" in done.stdout


def test_aggregate_reaches_the_board(results):
    for name in ("mean", "trimmed", "median"):
        done = called("--results", results, "--aggregate", name)
        assert done.exit_code == 0, done.output
        header, *rows = (line.split(",") for line in done.stdout.splitlines())
        assert {row[header.index("aggregate")] for row in rows} == {name}


@pytest.mark.parametrize("table", ["wide", "entries", "wins", "history"])
def test_other_tables_are_those_of_the_board(table, results):
    done = called("--results", results, "--table", table)
    assert done.exit_code == 0, done.output
    expected = getattr(board(results), table)
    assert done.stdout.splitlines()[0].split(",") == list(expected.columns)
    assert len(done.stdout.splitlines()) == 1 + len(expected)


def test_sql_answers_in_every_format(results, tmp_path):
    question = "select task, max(r) as best from board group by task order by task desc"
    done = called("--results", results, "--sql", question)
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["task", "b", "a"]
    done = called("--results", results, "--sql", question, "--format", "markdown")
    assert done.stdout.splitlines()[0] == "| task | best |"
    out = tmp_path / "answer.parquet"
    assert called("--results", results, "--sql", question, "--format", "parquet", "--out", out).exit_code == 0
    assert pd.read_parquet(out)["best"].tolist() == pytest.approx([board(results).frame["r"].max()] * 2)


def test_rules_are_said(results):
    done = called("--results", results, "--rules")
    assert done.exit_code == 0
    assert done.stdout.startswith("Protocol 1. 4 rows of 2 cells on 2 tasks.")


def test_markdown_is_rounded_and_csv_is_not(results):
    r = float(board(results).frame["r"].iloc[1])
    done = called("--results", results, "--format", "markdown")
    assert f" {r:.4g} " in done.stdout
    assert repr(r) in called("--results", results).stdout


def test_damaged_file_is_named_and_the_rest_is_written(results):
    (results / "broken.parquet").write_bytes(b"PAR1")
    done = called("--results", results)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith("skipped: ")
    assert "broken.parquet" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--results", "absent"], ["no results folder absent"]),
        (["--results", "empty"], ["no result in empty"]),
        (["--format", "parquet"], ["--format parquet", "--out board.parquet"]),
        (["--out", "/proc/nowhere/board.csv"], ["--out", "/proc/nowhere"]),
        (["--out", "empty"], ["--out", "empty"]),
        (["--table", "wins", "--sql", "select 1"], ["--table wins", "--sql"]),
        (["--results", "full", "--sql", "select nothing from board"], ["--sql", "nothing", "entries"]),
        (["--results", "full", "--sql", "delete from board"], ["--sql", "select * from entries"]),
        (["--results", "full", "--protocol", "7"], ["no result in full", "protocol 1", "protocol 7"]),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments, words, results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    results.rename("full")
    done = called(*arguments)
    assert done.exit_code == 2, repr(done.exception)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert all(word in line for word in words), line


def test_the_molmis_command_exports_too(results):
    done = CliRunner().invoke(console.app, ["export", "--results", str(results)])
    assert done.exit_code == 0
    assert done.stdout == called("--results", results).stdout


def test_the_molmis_command_alone_shows_its_help(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["molmis"])
    with pytest.raises(SystemExit):
        console.main()
    shown = capsys.readouterr()
    assert "run" in shown.out
    assert "export" in shown.out
    assert "error:" not in shown.err
