"""Processes that write into one store and are killed lose, double and tear nothing; the study can tell."""

from pathlib import Path

import pytest

from benchmark import results
from benchmark.execute import measure
from benchmark.results import HISTORY, path_beside, read_cell, write_cell
from benchmarks.store_study import Tally, cell, check, check_board, stress
from benchmarks.synthetic_cells import METRICS, path_of, synthetic_cell
from tasks.task import DataOptions, Kind
from tests.benchmark.test_execute import settings, task

__all__ = ["settings"]


@pytest.mark.slow
def test_killed_writers_lose_nothing(tmp_path):
    tally = stress(tmp_path / "results", processes=4, rounds=2)
    assert (tally.lost, tally.doubled, tally.torn) == ([], [], [])
    assert (tally.rounds, tally.killed) == (2, 8)
    assert tally.written >= 2


@pytest.mark.parametrize("seed", range(2))
def test_synthetic_cells_are_laid_out_as_measured_ones(settings, seed, own_cache):
    kind = Kind.REGRESSION if seed else Kind.CLASSIFICATION
    measured = measure(task(kind=kind), DataOptions(), settings("sign"))
    drawn = synthetic_cell(seed, regression=bool(seed))
    assert set(drawn.facts) == set(measured.facts)
    assert {type(value) for value in (drawn.facts[name] for name in ("runs", "seed", "pool"))} == {int}
    assert set(METRICS[str(kind)]) <= set(measured.rows)
    assert drawn.rows.dtypes.to_dict() == measured.rows[drawn.rows.columns].dtypes.to_dict()
    assert set(drawn.rows) == set(measured.rows)
    assert measured.attacks is not None
    assert set(drawn.attacks) == set(measured.attacks)  # type: ignore[arg-type]


# the study finds what is wrong


@pytest.fixture
def store(tmp_path) -> tuple[Path, set[tuple[str, str]]]:
    folder, said = tmp_path / "results", set()
    for turn in range(3):
        made = cell(0, writer=1, turn=turn)
        write_cell(path_of(folder, made), made)
        said.add((str(made.facts["key"]), results.frame_content(made.rows)))
    return folder, said


def found(store: tuple[Path, set[tuple[str, str]]]) -> Tally:
    tally = Tally()
    check(*store, tally)
    if not tally.torn:
        check_board(store[0], tally)
    return tally


def test_a_store_that_is_whole(store):
    tally = found(store)
    assert (tally.lost, tally.doubled, tally.torn, tally.unpaired) == ([], [], [], 0)
    assert len(list((store[0] / HISTORY / "rows").iterdir())) == 2


def test_a_lost_result_is_found(store):
    next((store[0] / HISTORY / "rows").iterdir()).unlink()
    assert len(found(store).lost) == 1


def test_a_torn_file_is_found(store):
    for path in (next(store[0].glob("*.parquet")), next((store[0] / HISTORY / "rows").iterdir())):
        path.write_bytes(path.read_bytes()[:-20])
    assert len(found(store).torn) == 2


def test_a_doubled_cell_is_found(store):
    path = next(store[0].glob("*.parquet"))
    (store[0] / f"other.{path.name.split('.')[-2]}.parquet").write_bytes(path.read_bytes())
    assert found(store).doubled


def test_a_writer_killed_between_two_files_leaves_a_cell_that_says_so(store):
    path = next(store[0].glob("*.parquet"))
    rows = path.read_bytes()
    made = cell(0, writer=2, turn=0)
    write_cell(path, made)
    path.write_bytes(rows)  # the attacks of the new one are there already
    assert list(read_cell(path).lost) == ["attacks"]
    assert found(store).unpaired == 1
    write_cell(path, made)
    assert read_cell(path).lost == {}
    assert path_beside(path, "attacks").exists()
