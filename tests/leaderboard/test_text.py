"""CSV that is pandas' own, byte by byte, and Markdown for people."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard import text
from leaderboard.text import csv_text, markdown_text

FRAME = pd.DataFrame(
    {
        "name": ["a", "b,c", 'say "no"', "two\nlines", "", "é", None],
        "number": [0.1, -0.0, 1.0, np.nan, 1e-5, -1e300, 123456789012.5],
        "whole": [3.0, 100.0, 1e9, 1e16, 5e-324, np.inf, -np.inf],
        "count": range(7),
        "rank": pd.array([1, None, 3, 4, 5, 6, 7], dtype="Int64"),
        "flag": [True, False] * 3 + [True],
        'a "name", too': 1.5,
    }
)


def test_csv_is_that_of_pandas():
    assert "".join(csv_text(FRAME)) == FRAME.to_csv(index=False)


def test_csv_of_many_rows_is_that_of_pandas(monkeypatch):
    monkeypatch.setattr(text, "_CHUNK", 3)
    assert "".join(csv_text(FRAME)) == FRAME.to_csv(index=False)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=50))
def test_every_number_is_written_as_pandas_does(values):
    frame = pd.DataFrame({"a": values, "b": "x"})
    assert "".join(csv_text(frame)) == frame.to_csv(index=False)


@given(st.lists(st.text(st.characters(exclude_characters="\r"), max_size=5), min_size=1, max_size=20))
def test_every_text_is_written_as_pandas_does(values):
    frame = pd.DataFrame({"a": values, "b": 1.0})
    assert "".join(csv_text(frame)) == frame.to_csv(index=False)


@pytest.mark.parametrize(
    "column",
    [
        pd.to_datetime(["2026-01-01T10:00:00Z", None]),
        pd.Series(["x", "y"], dtype="category"),
        pd.Series([1.5, None], dtype="Float64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([0.1, 2], dtype="float32"),
        pd.Series(["x", 1], dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_other_kinds_of_columns_can_be_read_again(column):
    frame = pd.DataFrame({"a": column, "b": [1, 2]})
    lines = "".join(csv_text(frame)).splitlines()
    assert len(lines) == 3
    assert [line.split(",")[1] for line in lines] == ["b", "1", "2"]
    assert lines[1].split(",")[0].lower() in frame.to_csv(index=False).splitlines()[1].lower()


def test_a_carriage_return_can_be_read_again():
    frame = pd.DataFrame({"a": ["x\ry", "\r\n"], "b": 1.0})
    rows = list(csv.reader(io.StringIO("".join(csv_text(frame)), newline="")))
    assert [row[0] for row in rows[1:]] == frame["a"].tolist()


def test_nothing_but_a_head():
    assert "".join(csv_text(FRAME.iloc[:0])) == FRAME.iloc[:0].to_csv(index=False)


def test_markdown_by_hand():
    frame = pd.DataFrame(
        {"a|b": ["x|y", "two\nlines"], "r": [0.123456, np.nan], "n": pd.array([1, None], "Int64")}
    )
    assert "".join(markdown_text(frame)).splitlines() == [
        "| a\\|b | r | n |", "|---|---|---|", "| x\\|y | 0.1235 | 1 |", "| two lines |  |  |"
    ]  # fmt: skip
