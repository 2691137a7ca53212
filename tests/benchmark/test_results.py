from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark import results
from benchmark.frame_file import read_frame, write_frame
from benchmark.results import (
    BESIDE,
    HISTORY,
    CellResult,
    cell_path,
    path_beside,
    read_cell,
    read_if_whole,
    write_cell,
)
from molecules.errors import DataError
from tests.benchmark.test_tables import FLOAT, GOOD, result
from tests.listener import Listener


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
    assert {p.name for p in tmp_path.iterdir()} == {path.name, ".lock"}  # no part is left beside it


def test_what_attacks_found_lies_beside_and_belongs_to_the_cell(tmp_path):
    path, made = written(tmp_path)
    frames = {kind: pd.DataFrame({"figure": [1.0, 2.0], "of": kind}) for kind in BESIDE}
    whole = replace(made, **frames)
    write_cell(path, whole)
    read = read_cell(path)
    for kind in BESIDE:
        pd.testing.assert_frame_equal(getattr(read, kind), frames[kind], check_dtype=False)
        beside = path_beside(path, kind)
        assert beside == tmp_path / kind / path.name
        beside.write_bytes(beside.read_bytes()[:-20])
        assert getattr(read_cell(path), kind) is None
    write_cell(path, whole)
    other = replace(made, facts=made.facts | {"records_key": "made otherwise"})
    write_cell(path, other)
    read = read_cell(path)
    assert read.records is None
    assert read.attacks is not None


def kept(folder) -> list[str]:
    """Which kinds of frames are in the history, one for each file."""
    return sorted(path.parent.name for path in (folder / HISTORY).rglob("*.parquet"))


def test_what_is_written_again_unchanged_is_left_alone(tmp_path):
    path, made = written(tmp_path)
    before = path.stat()
    write_cell(path, replace(made, facts=made.facts | {"commit": "another", "measured": "later"}))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert kept(tmp_path) == []


def test_what_is_replaced_is_kept(tmp_path):
    path, made = written(tmp_path)
    first = replace(made, attacks=pd.DataFrame({"figure": [1.0]}))
    write_cell(path, first)
    write_cell(path, replace(made, attacks=pd.DataFrame({"figure": [2.0]})))
    assert kept(tmp_path) == ["attacks"]
    (file,) = (tmp_path / HISTORY).rglob("*.parquet")
    assert read_frame(file)[0]["figure"].tolist() == [1.0]
    assert read_cell(path).attacks["figure"].tolist() == [2.0]  # type: ignore[index]
    rows = made.rows.assign(loss_in=3.0)
    write_cell(path, replace(made, rows=rows))
    assert kept(tmp_path) == ["attacks", "rows"]
    write_cell(path, replace(made, rows=made.rows.assign(loss_in=4.0)))
    write_cell(path, replace(made, rows=rows))
    write_cell(path, replace(made, rows=made.rows.assign(loss_in=5.0)))  # the rows before are kept already
    assert kept(tmp_path) == ["attacks", "rows", "rows", "rows"]


def test_attacks_on_other_rows_do_not_belong(tmp_path):
    path, made = written(tmp_path)
    write_cell(path, replace(made, attacks=pd.DataFrame({"figure": [1.0]})))
    attacks = path_beside(path, "attacks").read_bytes()
    write_cell(path, replace(made, rows=made.rows.assign(loss_in=3.0)))  # a writer killed after the attacks
    found = read_cell(path)
    assert found.attacks is None
    assert "belongs to another result" in found.lost["attacks"]
    path_beside(path, "attacks").write_bytes(attacks)
    write_cell(path, made)
    assert read_cell(path).attacks is not None


def test_frames_of_earlier_versions_did_not_say_of_which_rows(tmp_path):
    path, made = written(tmp_path)
    told = {"key": made.facts["key"], "attacks_key": None}
    write_frame(path_beside(path, "attacks"), pd.DataFrame({"figure": [1.0]}), told)
    assert read_cell(path).attacks is not None
    write_frame(path_beside(path, "attacks"), pd.DataFrame({"figure": [1.0]}), {"attacks_key": None})
    assert read_cell(path).attacks is None


def test_a_result_under_the_name_of_another_is_named(tmp_path):
    one, _ = written(tmp_path, "k1", "a")
    two, _ = written(tmp_path, "k2", "b")
    aside = one.rename(tmp_path / "aside")
    two.rename(one)
    aside.rename(two)
    for path, key in ((one, "k2"), (two, "k1")):
        with pytest.raises(DataError, match=f"holds the cell {key}, which is not"):
            read_cell(path)


def test_frames_that_are_not_wanted_are_not_read(tmp_path):
    path, made = written(tmp_path)
    frames = {kind: pd.DataFrame({"figure": [1.0]}) for kind in BESIDE}
    write_cell(path, replace(made, **frames))
    path_beside(path, "records").write_text("damaged")
    assert read_cell(path, ["attacks"]).lost == {}
    found = read_cell(path)
    assert list(found.lost) == ["records"]
    assert "records" in found.lost["records"]
    assert found.records is None


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
