"""The index: the same board with it as without, and never a figure of a file that has changed."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import write_cell
from leaderboard import index
from leaderboard.index import Summaries, summaries
from tests.benchmark.test_attack_table import attacked
from tests.benchmark.test_results import written

SETTLED = index._settled
DEFAULT = (Aggregate.MEAN, Indicator.MEMBERSHIP)


@pytest.fixture
def store(tmp_path) -> Path:
    """Three cells that have been left alone for an hour."""
    folder = tmp_path / "results"
    for number in range(3):
        age(written(folder, f"k{number}", f"t{number}")[0])
    return folder


def age(path: Path) -> None:
    hour = time.time() - 3600
    os.utime(path, (hour, hour))


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The files whose summaries were asked for, or whose bytes were hashed."""
    asked: list[str] = []
    for name in ("summary_of", "cell_digests"):
        true = getattr(index, name)

        def told(path, *rest, name=name, true=true):
            asked.append(f"{name} {path.name.split('.')[0]}")
            return true(path, *rest)

        monkeypatch.setattr(index, name, told)
    return asked


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take files to be settled by the time of their content alone: that of their entry cannot be set."""
    monkeypatch.setattr(
        index, "_settled", lambda stats: time.time() - max(s[1] for s in stats.values()) / 1e9 > 2
    )


def read(store: Path) -> Summaries:
    return summaries(store, *DEFAULT)


def the_index(store: Path) -> Path:
    (found,) = (store / "summaries").glob("*.parquet")
    return found


def test_settled_goes_by_both_times_of_every_file():
    now = time.time_ns()
    old, new = now - 10 * 10**9, now - 10**9
    assert SETTLED({"rows": [1, old, old, 1]})
    assert not SETTLED({"rows": [1, old, new, 1]})
    assert not SETTLED({"rows": [1, old, old, 1], "attacks": [1, new, old, 1]})


def test_what_has_not_changed_is_not_opened(store, opened):
    first = read(store)
    assert opened == [f"summary_of t{number}" for number in range(3)]
    opened.clear()
    again = read(store)
    assert opened == []
    pd.testing.assert_frame_equal(again.frame(), first.frame(), check_exact=True)
    assert again.frame().dtypes.equals(first.frame().dtypes)


def test_a_new_cell_is_entered_in_its_place(store, opened):
    read(store)
    opened.clear()
    written(store, "k9", "t00")
    found = read(store)
    assert opened == ["summary_of t00"]
    assert found.frame()["task"].drop_duplicates().tolist() == ["t0", "t00", "t1", "t2"]
    pd.testing.assert_frame_equal(found.frame(), without_index(store))


def without_index(store: Path) -> pd.DataFrame:
    for file in (store / "summaries").glob("*.parquet"):
        file.unlink()
    return read(store).frame()


def test_a_cell_that_has_changed_is_summarised_again(store):
    before = read(store).frame()
    path, made = written(store, "k1", "t1")
    write_cell(path, replace(made, rows=made.rows.assign(effect=0.9)))
    found = read(store).frame()
    assert (found.loc[found["task"] == "t1", "membership_effect"] == 0.9).all()
    rest = [name for name in before if name != "membership_effect"]
    pd.testing.assert_frame_equal(found[found["task"] != "t1"][rest], before[before["task"] != "t1"][rest])


def test_attacks_that_come_later_are_noticed(store):
    read(store)
    path, made = written(store, "k1", "t1")
    found = attacked()
    write_cell(path, replace(found, facts=found.facts | made.facts))
    bounds = read(store).frame().set_index("task")["mis_bound"]
    assert bounds["t1"].notna().any()
    assert bounds["t0"].isna().all()


def test_a_cell_that_is_gone_is_gone(store):
    read(store)
    next(store.glob("t1.*")).unlink()
    found = read(store)
    assert found.frame()["task"].drop_duplicates().tolist() == ["t0", "t2"]
    assert len(found.entries) == 2
    for file in store.glob("*.parquet"):
        file.unlink()
    assert read(store).frame().empty


def test_files_that_were_copied_are_hashed_and_not_summarised(store, opened, tmp_path):
    first = read(store)
    shutil.copytree(store, tmp_path / "copy", copy_function=shutil.copyfile)  # with times of their own
    opened.clear()
    again = read(tmp_path / "copy")
    assert opened == [f"cell_digests t{number}" for number in range(3)]
    pd.testing.assert_frame_equal(again.frame(), first.frame())


def test_files_of_a_moment_ago_are_not_trusted_by_their_times(store, opened):
    path, _ = written(store, "k3", "t3")
    read(store)
    opened.clear()
    read(store)  # within the same tick of a clock it might have been written twice
    assert opened == ["cell_digests t3"]
    age(path)
    read(store)
    opened.clear()
    read(store)
    assert opened == []


def test_the_same_size_and_time_do_not_hide_a_change(store):
    read(store)
    path = next(store.glob("t1.*"))
    data, stat = bytearray(path.read_bytes()), path.stat()
    data[100] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "damaged" in read(store).entries[path.name].problem


@pytest.mark.parametrize("damage", ["truncated", "flipped", "renamed", "of other code", "gone"])
def test_an_index_that_cannot_be_believed_is_made_again(store, opened, damage, monkeypatch):
    expected = read(store).frame()
    place = the_index(store)
    data = bytearray(place.read_bytes())
    if damage == "truncated":
        place.write_bytes(data[:-9])
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        place.write_bytes(data)
    elif damage == "renamed":
        place.rename(place.with_name(f"mean.membership.{'0' * 32}.parquet"))
    elif damage == "gone":
        place.unlink()
    else:
        monkeypatch.setattr(index, "summary_key", lambda *_: "another")
    opened.clear()
    pd.testing.assert_frame_equal(read(store).frame(), expected)
    assert len(opened) == 3
    assert the_index(store).exists()
    opened.clear()
    read(store)
    assert opened == []


def test_what_could_not_be_read_is_tried_again(store, opened):
    path = next(store.glob("t1.*"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    age(path)
    assert read(store).entries[path.name].problem
    opened.clear()
    read(store)
    assert opened == ["summary_of t1"]
    path.write_bytes(whole)
    assert read(store).entries[path.name].problem == ""


def test_a_store_that_can_only_be_read_has_a_board(store, monkeypatch):
    def refuse(*_):
        raise index.DataError("read-only")

    monkeypatch.setattr(index, "atomic_write", refuse)
    assert len(read(store).frame()) == 6
    assert not list((store / "summaries").glob("*.parquet"))


def test_many_are_put_together_as_few_are(store, monkeypatch):
    expected = read(store).frame()
    monkeypatch.setattr(index, "_TOGETHER", 2)
    pd.testing.assert_frame_equal(without_index(store), expected)


def test_every_aggregate_and_indicator_has_its_own(store):
    for aggregate in Aggregate:
        for indicator in Indicator:
            frame = summaries(store, aggregate, indicator).frame()
            assert set(frame["aggregate"]) == {str(aggregate)}
            assert set(frame["indicator"]) == {str(indicator)}
    assert len(list((store / "summaries").glob("*.parquet"))) == len(Aggregate) * len(Indicator)
