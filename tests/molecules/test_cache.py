"""Writes that are whole or absent, and one process at a time."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from molecules import cache
from molecules.cache import atomic_write, exclusive
from molecules.errors import DataError


def test_a_part_that_another_process_has_just_put_in_place_is_no_error(tmp_path, monkeypatch):
    part = tmp_path / ".f.abc.part"
    part.touch()
    listed = Path.glob

    def gone(self, pattern):
        found = list(listed(self, pattern))
        part.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "glob", gone)
    with atomic_write(tmp_path / "f") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "f").read_text() == "whole"


def test_parts_of_long_ago_are_taken_away_and_those_of_now_are_not(tmp_path):
    old, new = tmp_path / ".f.old.part", tmp_path / ".f.new.part"
    for part in (old, new):
        part.touch()
    os.utime(old, (time.time() - 10**6,) * 2)
    with atomic_write(tmp_path / "f") as temporary:
        temporary.write_text("whole")
    assert not old.exists()
    assert new.exists()


def _hold(folder, entered):
    with exclusive(folder):
        entered.set()
        time.sleep(60)


def test_a_process_waits_for_another_and_a_killed_one_lets_go(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE", 0.1)
    start = multiprocessing.get_context("fork")
    entered = start.Event()
    other = start.Process(target=_hold, args=(tmp_path, entered))
    other.start()
    assert entered.wait(30)
    with pytest.raises(DataError, match="another process has been writing"), exclusive(tmp_path):
        pass
    other.kill()
    other.join()
    with exclusive(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_in_is_named():
    with pytest.raises(DataError, match="/proc/nowhere"), exclusive(Path("/proc/nowhere")):
        pass
