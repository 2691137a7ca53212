from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark import results
from benchmark.results import BESIDE, CellResult, cell_path, path_beside, read_cell, read_if_whole, write_cell
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
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # no part is left beside it


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
