"""Questions in SQL: the same figures as in the frames, and no way out of them."""

from dataclasses import replace

import pytest

from benchmark.results import path_beside, write_cell
from leaderboard import Board, board
from leaderboard.sql import query
from molecules.errors import MolmisError
from tests.benchmark.test_attack_table import attacked
from tests.benchmark.test_results import written
from tests.leaderboard.test_board import with_attacks


@pytest.fixture
def made(tmp_path) -> Board:
    with_attacks(tmp_path / "results", "k1", "a")
    written(tmp_path / "results", "k2", "b")
    return board(tmp_path / "results")


@pytest.mark.parametrize("table", ["board", "entries", "wins", "history"])
def test_tables_are_those_of_the_board(made, table):
    frame = made.frame if table == "board" else getattr(made, table)
    found = query(made, f"select * from {table}")
    assert list(found.columns) == list(frame.columns)
    assert len(found) == len(frame)


def test_figures_are_the_same(made):
    found = query(made, "SELECT quantizer, avg(r) AS r FROM board GROUP BY quantizer ORDER BY quantizer")
    expected = made.frame.groupby("quantizer")["r"].mean()
    assert found["quantizer"].tolist() == expected.index.tolist()
    assert found["r"].tolist() == pytest.approx(expected.tolist())


def test_raw_rows_say_which_cell_they_are_of(made):
    found = query(
        made, 'select task, cell, encoder, seed, sum("loss_in") s from runs group by all order by task'
    )
    assert found[["task", "cell", "encoder", "seed"]].to_numpy().tolist() == [
        ["a", "k1", "e", 0],
        ["b", "k2", "e", 0],
    ]
    counts = [len(made.frame[made.frame["task"] == task]) * 4 for task in "ab"]
    assert query(made, "select count(*) n from runs group by task order by task")["n"].tolist() == counts
    tried = query(
        made, "select quantizer, attack, avg(advantage) a from attacks where task = 'a' group by all"
    )
    raw = attacked().attacks.groupby(["quantizer", "attack"])["advantage"].mean()  # type: ignore[union-attr]
    found = tried.set_index(["quantizer", "attack"])["a"]
    assert found.to_dict() == pytest.approx(raw.to_dict(), nan_ok=True)
    assert query(made, "select * from full_pool").empty


def test_attacks_that_cannot_be_believed_are_not_asked(tmp_path):
    path, made = written(tmp_path, "k1", "a")
    found = attacked()
    write_cell(path, replace(found, facts=found.facts | made.facts))
    other, made = written(tmp_path, "k2", "b")
    path_beside(other, "attacks").write_bytes(path_beside(path, "attacks").read_bytes())
    assert query(board(tmp_path), "select distinct task from attacks")["task"].tolist() == ["a"]


def test_names_within_a_query_are_its_own(made):
    found = query(made, "with wins as (select 1 as one) select * from wins")
    assert found["one"].tolist() == [1]
    assert (
        query(made, "select b.task from board b join (select distinct task from runs) using (task)").shape[0]
        > 2
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_parquet('{}/results/*.parquet')",
        "select * from '{}/results/x.csv'",
        "select * from read_text('{}/results/x.csv')",
        "select * from glob('{}/*')",
        "copy (select 1) to '{}/out.csv'",
        "attach '{}/other.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "select 1; set lock_configuration = false",
        "pragma database_list",
        "create table t as select * from board",
        "insert into board select * from board",
        "drop view board",
        "export database '{}/out'",
        "select * from made",
        "select * from tmp_path",
        "select * from board, nothing",
        "select nothing from board",
        "select foo(",
        "",
        "-- nothing",
    ],
)
def test_what_cannot_be_asked_is_one_line(made, tmp_path, sql):
    (tmp_path / "results" / "x.csv").write_text("a\n1\n")
    with pytest.raises(MolmisError) as refused:
        query(made, sql.format(tmp_path))
    assert "--sql" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


def test_settings_are_locked(made):
    found = query(made, "select * from duckdb_settings()").set_index("name")["value"]
    assert found["lock_configuration"] == "true"
    assert found["enable_external_access"] == found["python_enable_replacements"] == "false"
