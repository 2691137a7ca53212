"""The stored table of a cell: that of a new one, and made again whenever something it rests on changes."""

import ast
import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from benchmark import summaries
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import path_beside, write_cell
from benchmark.summaries import CELL_COLUMNS, MODULES, setting_key, summary_of, summary_path
from benchmark.tables import summarise
from molecules.errors import DataError
from tests.benchmark.test_attack_table import attacked
from tests.benchmark.test_results import written

DEFAULT = (Aggregate.MEAN, Indicator.MEMBERSHIP)


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """The tasks of the cells that were summarised."""
    made: list[str] = []

    def summarised(result, *rest):
        made.append(str(result.facts["task"]))
        return summarise(result, *rest)

    monkeypatch.setattr(summaries, "summarise", summarised)
    return made


def test_a_summary_is_the_table_and_which_cell_it_is(tmp_path, counted):
    path, made = written(tmp_path)
    first = summary_of(path)
    table = summarise(made)
    pd.testing.assert_frame_equal(first.table[table.columns], table)
    assert tuple(first.table.columns[len(table.columns) :]) == CELL_COLUMNS
    again = summary_of(path)
    pd.testing.assert_frame_equal(again.table, first.table, check_exact=True)
    assert counted == ["t"]


def test_a_stored_summary_has_every_type_that_it_was_written_with(tmp_path):
    path, _ = written(tmp_path)
    first = summary_of(path)
    again = summary_of(path)
    assert again.arrow.schema.equals(first.arrow.schema, check_metadata=True)
    assert again.arrow.equals(first.arrow)
    assert (again.files, again.lost) == (first.files, first.lost)
    whole = summary_path(path, *DEFAULT).read_bytes()[32:]
    assert (
        pa.ipc.open_stream(whole.partition(b"\n")[2]).read_all().equals(first.arrow)
    )  # by Arrow's own reader


def test_each_aggregate_and_indicator_has_its_own(tmp_path, counted):
    path, made = written(tmp_path)
    for aggregate in Aggregate:
        for indicator in Indicator:
            found = summary_of(path, aggregate, indicator).table
            pd.testing.assert_series_equal(found["r"], summarise(made, aggregate, indicator)["r"])
    assert len(counted) == len(Aggregate) * len(Indicator)


def test_another_result_is_summarised_again(tmp_path, counted):
    path, made = written(tmp_path)
    summary_of(path)
    write_cell(path, replace(made, rows=made.rows.assign(effect=0.9)))
    assert (summary_of(path).table["membership_effect"] == 0.9).all()
    assert len(counted) == 2


def test_attacks_that_come_later_are_summarised(tmp_path, counted):
    path, made = written(tmp_path)
    assert summary_of(path).table["mis_bound"].isna().all()
    found = attacked()
    write_cell(path, replace(found, facts=found.facts | made.facts))
    assert summary_of(path).table["mis_bound"].notna().any()


@pytest.mark.parametrize("damage", ["truncated", "swapped", "of an earlier form", "of other code"])
def test_a_summary_that_cannot_be_believed_is_made_again(tmp_path, counted, damage, monkeypatch):
    path, _ = written(tmp_path, "k1", "a")
    other, _ = written(tmp_path, "k2", "b")
    expected = summary_of(path).table
    summary_of(other)
    place = summary_path(path, *DEFAULT)
    if damage == "truncated":
        place.write_bytes(place.read_bytes()[:-40])
    elif damage == "swapped":
        place.write_bytes(summary_path(other, *DEFAULT).read_bytes())
    elif damage == "of an earlier form":  # the stream alone, whole
        stream = place.read_bytes()[32:].partition(b"\n")[2]
        place.write_bytes(summaries.file_digest(stream).encode() + stream)
    else:
        monkeypatch.setattr(summaries, "summary_key", lambda *_: "another")
    counted.clear()
    pd.testing.assert_frame_equal(summary_of(path).table, expected)
    assert counted == ["a"]


def test_frames_that_are_lost_are_told_in_every_row(tmp_path):
    path, made = written(tmp_path)
    found = attacked()
    write_cell(path, replace(found, facts=found.facts | made.facts))
    path_beside(path, "attacks").write_bytes(b"PAR1")
    for _ in range(2):  # made, and read again
        summary = summary_of(path)
        assert list(summary.lost) == ["attacks"]
        assert summary.table["flags"].str.contains("attacks could not be read").all()


def test_a_store_that_cannot_be_written_in_is_summarised_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise DataError("read-only")

    path, made = written(tmp_path)
    monkeypatch.setattr(summaries, "write_summary", refuse)
    assert len(summary_of(path).table) == len(summarise(made))


@pytest.mark.parametrize("missing", ["split", "key"])
def test_a_result_without_its_facts_is_named(tmp_path, missing):
    path, made = written(tmp_path)
    facts = {name: value for name, value in made.facts.items() if name != missing}
    path = path if missing == "split" else path.with_name("x.None.parquet")
    write_cell(path, replace(made, facts=facts))
    with pytest.raises(DataError, match=f"{path.name} is not laid out as a result"):
        summary_of(path)


def test_cells_that_differ_in_their_quantizers_alone_have_one_setting():
    facts = {
        "task": "t",
        "seed": 0,
        "quantizers": {"a": "A"},
        "key": "1",
        "measured": "then",
        "attacks_key": "x",
    }
    assert setting_key(facts) == setting_key(
        facts | {"quantizers": {"b": "B"}, "key": "2", "measured": "now"}
    )
    assert setting_key(facts) != setting_key(facts | {"seed": 1})
    assert setting_key(facts) != setting_key(facts | {"a fact of later versions": 1})
    assert setting_key(facts) == setting_key(facts | {"an option of later versions": False})


def test_every_module_that_figures_depend_on_is_named():
    code = "import sys, benchmark.tables; print(*sorted(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    ours = {name for name in done.stdout.split() if name.startswith(("benchmark.", "models.", "molecules."))}
    no_figures = {"benchmark.frame_file", "benchmark.results", "benchmark.privacy", "molecules.cache"}
    no_figures |= {"molecules.errors", "molecules.progress"}
    assert ours - no_figures == set(MODULES) - {"benchmark.summaries"}


def test_comments_and_docstrings_are_no_code():
    code = summaries._code
    assert code('"""A."""\nx = 1  # one\n') == code('"""B."""\n\nx = 1\n')
    assert code("def f():\n    '''A.'''\n    return 1\n") == code("def f():\n    return 1\n")
    assert code("x = 1") != code("x = 2")
    assert ast.dump(ast.parse(inspect.getsource(summaries))) != code(inspect.getsource(summaries))
