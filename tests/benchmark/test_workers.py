"""The processes that share the work of a cell: what comes out of them, and what ends them."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark import blocks, evaluate
from benchmark.attack_cell import attack_cell
from benchmark.blocks import BlockStore
from benchmark.evaluate import evaluate_cell
from benchmark.execute import Settings, plan_cell
from benchmark.failures import RemoteError
from benchmark.memory import fitting, sizes_of
from benchmark.workers import Listener, shared_out, worker_count
from models.heads import HeadConfig
from models.quantizers import QUANTIZERS, Quantizer
from molecules.errors import MolmisError
from molecules.progress import SILENT
from molecules.threads import allowed_threads
from tasks.catalogue import get_task
from tasks.task import DataOptions

pytestmark = pytest.mark.skipif(worker_count(2, "cpu") < 2, reason="processes are not forked here")

#: Quantizers of the cell, float32 first.
NAMES = ("float32", "sign", "ternary-90", "uniform-2")


class Told:
    """A listener that counts."""

    def __init__(self) -> None:
        self.steps, self.notes = 0, []
        self.listener = Listener(self._advance, self.notes.append)

    def _advance(self, steps: int) -> None:
        self.steps += steps


def squared(number: int, listener: Listener) -> tuple[int, int]:
    with listener.stage("squaring", 3) as step:
        step(1)
        step(2)
    if number == 3:
        listener.note("three it was")
    return number * number, os.getpid()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_task_comes_out_once_and_is_told_of(count):
    told = Told()
    found = dict(shared_out(squared, range(7), count, told.listener))
    assert {task: result for task, (result, _) in found.items()} == {n: n * n for n in range(7)}
    assert told.steps == 21
    assert told.notes == ["three it was"]
    processes = {process for _, process in found.values()}
    assert len(processes) <= count
    assert (os.getpid() in processes) == (count == 1)


def test_one_task_is_done_here():
    ((_, (result, process)),) = shared_out(squared, [5], 4, Told().listener)
    assert (result, process) == (25, os.getpid())


def threads_allowed(place: int, listener: Listener) -> tuple[int, str]:
    return allowed_threads(), os.environ["OPENBLAS_NUM_THREADS"]


def test_what_asks_for_threads_in_a_worker_has_one(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    found = dict(shared_out(threads_allowed, range(2), 2, Told().listener))
    assert set(found.values()) == {(1, "1")}
    assert allowed_threads() == 4


def test_what_is_printed_in_a_worker_does_not_go_through_the_bars(monkeypatch):
    monkeypatch.setattr(sys, "stdout", object())
    monkeypatch.setattr(sys, "stderr", object())
    found = dict(
        shared_out(lambda place, listener: sys.stdout is sys.__stdout__, range(2), 2, Told().listener)
    )
    assert found == {0: True, 1: True}


def test_workers_see_what_is_here_and_compute_in_one_thread():
    held = torch.arange(4)

    def read(place: int, listener: Listener) -> tuple[int, int]:
        return int(held[place]), torch.get_num_threads()

    found = dict(shared_out(read, range(4), 2, Told().listener))
    assert found == {place: (place, 1) for place in range(4)}


def refuse(number: int, listener: Listener) -> int:
    if number == 2:
        raise MolmisError("two is too many; give one")
    return number


def break_(number: int, listener: Listener) -> int:
    return 1 // (number - 2)


def test_mistakes_of_users_come_through_in_their_words():
    with pytest.raises(MolmisError, match=r"^two is too many; give one$"):
        list(shared_out(refuse, range(4), 2, Told().listener))


def test_defects_come_through_with_their_traceback():
    with pytest.raises(RemoteError, match=r"(?s)ZeroDivisionError.*break_"):
        list(shared_out(break_, range(4), 2, Told().listener))


def kill(number: int, listener: Listener) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_worker_that_was_killed_is_told_in_one_line():
    with pytest.raises(MolmisError, match=r"one of 2 worker processes was ended from outside.*--workers 1"):
        list(shared_out(kill, range(4), 2, Told().listener))


def wait(number: int, listener: Listener) -> int:
    time.sleep(60 if number else 0)
    return number


def test_no_worker_is_left_where_nobody_waits_for_it():
    """As after Ctrl-C, which ends whoever waits for the next task."""
    tasks = shared_out(wait, range(4), 2, Told().listener)
    assert next(tasks) == (0, 0)
    assert multiprocessing.active_children()
    tasks.close()
    deadline = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


def test_workers_end_with_their_parent():
    """A parent that is killed tells nobody, and its workers would wait for tasks for ever."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def parent() -> None:
        def tell(number: int, listener: Listener) -> int:
            there.send(os.getpid())
            time.sleep(60)
            return number

        list(shared_out(tell, range(2), 2, Told().listener))

    process = context.Process(target=parent)
    process.start()
    children = [here.recv(), here.recv()]
    process.kill()
    process.join()
    deadline = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, children))


def alive(process: int) -> bool:
    try:
        with Path(f"/proc/{process}/stat").open() as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_as_many_as_there_are_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert worker_count(None, "cpu") == 3
    assert worker_count(5, "cpu") == 5
    assert worker_count(None, "cuda") == worker_count(4, "cuda") == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert worker_count(4, "cpu") == 1


@pytest.fixture
def cell(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "BLOCK_RUNS", 2)
    settings = Settings(None, NAMES, 6, results=tmp_path / "results", head=HeadConfig((8,), 4), device="cpu")
    return plan_cell(get_task("gaussian-modes"), DataOptions(), settings)[0]


def used(monkeypatch) -> list[int]:
    """Return a list that the number of workers of every phase is written into."""
    counts: list[int] = []

    def counted(work, tasks, count, progress):
        counts.append(count)
        return shared_out(work, tasks, count, progress)

    monkeypatch.setattr(evaluate, "shared_out", counted)
    monkeypatch.setattr("benchmark.attack.shared_out", counted)
    return counts


def test_a_cell_comes_out_the_same(cell, monkeypatch, tmp_path):
    counts, found = used(monkeypatch), []
    for count in (1, 2):  # in one process with two threads, and in two with one each
        monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / str(count)))
        assert torch.get_num_threads() == 2
        rows, _ = evaluate_cell(cell, workers=count)
        attacked = attack_cell(cell, workers=count)
        found.append([rows, attacked.attacks, attacked.records, attacked.joint_release])
    assert counts == [1, 1, 1, 2, 2, 2]  # training, evaluating, attacking
    for one, other in zip(*found, strict=True):
        by = [name for name in ("quantizer", "release", "attack", "shadows", "run", "record") if name in one]
        pd.testing.assert_frame_equal(
            *(frame.sort_values(by, ignore_index=True) for frame in (one, other)), check_exact=True
        )


def test_a_quantizer_with_a_process_of_its_own_stays_here(cell, monkeypatch, tmp_path):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(type(cell.quantizers["sign"]), "forks", False)
    counts = used(monkeypatch)
    evaluate_cell(cell, workers=2)
    assert counts == [1, 1]


def test_sandboxed_quantizers_have_a_process_of_their_own():
    from leaderboard.sandbox.quantizer import SandboxedQuantizer

    assert not SandboxedQuantizer.forks
    assert Quantizer.forks
    assert all(quantizer.forks for quantizer in map(QUANTIZERS.__getitem__, QUANTIZERS))


def test_no_more_workers_than_memory_has_room_for(cell, monkeypatch, tmp_path):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "cache"))
    sizes = sizes_of(cell)
    most = max(sizes.evaluating(quantizer).total for quantizer in cell.quantizers.values())
    with monkeypatch.context() as short:
        short.setattr("benchmark.memory.available_memory", lambda: 3 * most + 1)
        assert fitting(sizes, cell.quantizers, evaluate=True) == 3
    monkeypatch.setattr(evaluate, "fitting", lambda *_, **__: 0)
    counts = used(monkeypatch)
    evaluate_cell(cell, workers=2)
    assert counts == [1, 1]


def test_what_a_worker_finished_is_kept_where_another_fails(cell, monkeypatch, tmp_path):
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "cache"))
    rows = evaluate_cell(cell)[0]
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "other"))
    real = evaluate.QuantizedBlock

    def failing(bank, quantizer, *arguments, **named):
        if quantizer == QUANTIZERS["uniform-2"]:
            raise MolmisError("no more")
        return real(bank, quantizer, *arguments, **named)

    monkeypatch.setattr(evaluate, "QuantizedBlock", failing)
    with pytest.raises(MolmisError, match="no more"):
        evaluate_cell(cell, workers=2)
    store = BlockStore(cell, SILENT)
    assert {"float32", "sign"} <= {name for runs in store.blocks for name in store.evaluations(runs)}
    monkeypatch.setattr(evaluate, "QuantizedBlock", real)
    again = evaluate_cell(cell, workers=2)[0]
    np.testing.assert_array_equal(again["rate"], rows["rate"])
