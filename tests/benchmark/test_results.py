import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark import results
from benchmark.results import CellResult, cell_path, read_cell, read_if_whole, write_cell
from leaderboard import board
from molecules.errors import DataError
from tests.benchmark.test_tables import FLOAT, GOOD, result


class Listener:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def written(folder, key: str = "k", task: str = "t"):
    made = result(FLOAT, GOOD)
    made.facts.update(key=key, task=task, split="random", runs=4)
    path = cell_path(folder, task, "e", 4, 0, key)
    write_cell(path, made)
    return path, made


def test_round_trip(tmp_path):
    path, made = written(tmp_path)
    read = read_cell(path)
    pd.testing.assert_frame_equal(read.rows, made.rows, check_dtype=False)
    assert {name: read.facts[name] for name in made.facts} == made.facts
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no part is left beside it


@pytest.mark.parametrize("damage", ["truncated", "foreign", "text", "future"])
def test_what_is_no_result_is_named(tmp_path, damage, monkeypatch):
    path, made = written(tmp_path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-30])
    elif damage == "text":
        path.write_text("quantizer,r\n")
    elif damage == "foreign":
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        monkeypatch.setattr(results, "FORMAT_VERSION", 99)
        write_cell(path, CellResult(made.rows, made.facts))
        monkeypatch.undo()
    with pytest.raises(DataError, match=path.name):
        read_cell(path)
    listener = Listener()
    assert read_if_whole(path, listener) is None  # type: ignore[arg-type]
    assert path.name in listener.notes[0]
    assert read_if_whole(tmp_path / "absent.parquet") is None


def test_board_holds_every_cell_and_names_what_it_skips(tmp_path):
    written(tmp_path, "k1", "a")
    written(tmp_path, "k2", "b")
    (tmp_path / "broken.parquet").write_text("nothing")
    made = board(tmp_path)
    assert made.frame[["task", "quantizer", "cell"]].to_numpy().tolist() == [
        ["a", "float32", "k1"], ["a", "good", "k1"], ["b", "float32", "k2"], ["b", "good", "k2"]
    ]  # fmt: skip
    assert len(made.skipped) == 1
    assert "broken.parquet" in made.skipped[0]


def test_board_of_nothing(tmp_path):
    with pytest.raises(DataError, match="no result in"):
        board(tmp_path)
    with pytest.raises(DataError, match="no results folder"):
        board(tmp_path / "absent")
