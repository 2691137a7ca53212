import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.records import load_records
from tasks.table_file import table_task
from tasks.task import DataOptions
from tests.real_data import wehi_smiles


@pytest.fixture
def counted_task(tmp_path):
    """A task of 120 records with two labels, one called "smiles"; ``loads`` counts its loads."""
    lines = ["mol,smiles,other"]
    lines += [f"{text},{row % 2},{'' if row % 7 else row % 2}" for row, text in enumerate(wehi_smiles(120))]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([*lines, lines[1], "C1CC,1,1", ""]))
    task = table_task(path, "mol", ["smiles", "other"])
    loads = []

    def load(given, options):
        loads.append(given.name)
        return task.load(given, options)

    return replace(task, load=load), loads


def assert_same(left, right):
    np.testing.assert_array_equal(left.labels, right.labels)
    assert left.labels.dtype == right.labels.dtype == np.float32
    np.testing.assert_array_equal(left.source_rows, right.source_rows)
    assert left.source_rows.dtype == right.source_rows.dtype == np.int32
    without = {"labels": None, "source_rows": None}
    assert replace(left, **without) == replace(right, **without)


def test_a_second_load_comes_from_the_cache(counted_task):
    task, loads = counted_task
    first, second = load_records(task, DataOptions()), load_records(task, DataOptions())
    assert loads == ["file:mine"]
    assert_same(first, second)
    assert (first.report.rows, first.report.kept, first.report.weak_labels) == (122, 120, ("other",))
    assert first.source_rows.tolist() == [2, *[1] * 119]


def test_changed_content_or_columns_are_loaded_again(counted_task):
    task, loads = counted_task
    load_records(task, DataOptions())
    (path,) = task.files(task, DataOptions())
    path.write_text(path.read_text() + "\n")
    load_records(task, DataOptions())
    load_records(replace(task, version=2), DataOptions())
    load_records(replace(task, description="SMILES in another column."), DataOptions())
    assert len(loads) == 4


def test_the_test_set_of_the_source_survives_the_cache(counted_task):
    task, loads = counted_task
    given = task.load

    def load(own, options):
        raw = given(own, options)
        return replace(raw, test=np.arange(len(raw.smiles)) % 7 == 1)

    task = replace(task, load=load)
    first, second = load_records(task, DataOptions()), load_records(task, DataOptions())
    assert len(loads) == 1
    assert first.test.dtype == second.test.dtype == np.bool_
    np.testing.assert_array_equal(first.test, second.test)
    assert first.report.overlapping == 1  # row 121, of the test set, repeats row 1
    assert first.test.sum() == 18
    assert first.test[0]


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def empty(path):
    path.write_bytes(b"")


def swap_label(path):
    """A valid Parquet file whose content is not what was written."""
    table = pq.read_table(path)
    labels = table.column("label_0").to_numpy().copy()
    labels[0] = 1 - labels[0]
    pq.write_table(table.set_column(1, "label_0", [labels]), path)


def strip_facts(path):
    pq.write_table(pq.read_table(path).replace_schema_metadata({"molmis": json.dumps({})}), path)


def no_facts(path):
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)


def swap_rows(path):
    table = pq.read_table(path)
    counts = table.column("source_rows").to_numpy()[::-1].copy()
    place = table.column_names.index("source_rows")
    pq.write_table(table.set_column(place, "source_rows", [counts]), path)


@pytest.mark.parametrize("damage", [truncate, empty, swap_label, swap_rows, strip_facts, no_facts])
def test_a_damaged_cache_is_made_again_with_a_note(counted_task, own_cache, listener, damage):
    task, loads = counted_task
    options = DataOptions(progress=listener)
    first = load_records(task, options)
    (path,) = (own_cache / "records").glob("*.parquet")
    damage(path)
    assert_same(load_records(task, options), first)
    assert len(loads) == 2
    (note,) = listener.notes
    assert str(path) in note
    assert "damaged" in note
    assert_same(load_records(task, options), first)
    assert len(loads) == 2


def test_an_unusable_cache_costs_the_cache_and_not_the_run(counted_task, tmp_path, monkeypatch, listener):
    task, _ = counted_task
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "a file"))
    assert len(load_records(task, DataOptions(progress=listener))) == 120
    assert "records are not cached" in listener.notes[0]


def test_tasks_without_files_are_not_cached(counted_task, own_cache):
    task, loads = counted_task
    for _ in range(2):
        load_records(replace(task, files=None), DataOptions())
    assert len(loads) == 2
    assert not (own_cache / "records").exists()
