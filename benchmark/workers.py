"""Processes that share the work of a cell on this machine.

They are forked, so that they see the tensors of the cell without a copy of them, and compute in one thread
each: two processes with one thread are faster than one process with two, since none waits for the other in
between, and what Python does is done twice at once. Results are the same bit by bit. A fork of a process
whose threads have computed is safe only where it computes in one thread, and never on a GPU.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

from benchmark.failures import Outcome
from molecules.errors import MolmisError
from molecules.interrupts import uninterrupted
from molecules.threads import allowed_threads, be_one_of_several

Task = TypeVar("Task")
Result = TypeVar("Result")

#: What became of a task in a worker, and what it said.
_Done = tuple[Outcome, list[str]]

#: Seconds between two looks at how far the workers are.
_LOOK = 0.1
#: Of prctl(2): the signal that a process gets when its parent is gone.
_PR_SET_PDEATHSIG = 1


@dataclass
class Listener:
    """The progress of one task, told to who shares out the tasks.

    Parameters
    ----------
    advance : callable
        Called with the number of steps just done.
    say : callable
        Called with every note.
    """

    advance: Callable[[int], None]
    say: Callable[[str], None]

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Yield what is called with the number of steps just done; the stage itself is that of all tasks."""
        yield self.advance

    def note(self, message: str) -> None:
        """Pass a line on."""
        self.say(message)


def worker_count(wanted: int | None, device: str) -> int:
    """Return how many processes may share the work.

    Parameters
    ----------
    wanted : int or None
        What the user says; None for as many as there are threads.
    device : str
        Where heads are computed. On a GPU, and where there is one at all, it is one process: what a fork of a
        process that has seen CUDA may do is not much.
    """
    forks = sys.platform == "linux" and "fork" in multiprocessing.get_all_start_methods()
    if device != "cpu" or not forks or torch.cuda.is_available():
        return 1
    return wanted or allowed_threads()


def shared_out(
    work: Callable[[Task, Listener], Result],
    tasks: Sequence[Task],
    workers: int,
    progress: Listener,
) -> Iterator[tuple[Task, Result]]:
    """Yield every task and its result, as they are done.

    Parameters
    ----------
    work : callable
        Does a task, in a fork of this process if there are several workers: what it changes here is lost, and
        what it returns is pickled.
    tasks : sequence
        What is to be done.
    workers : int
        Most processes at once; with 1, or one task, all is done in this process.
    progress : Listener
        What is told of steps and notes.

    Raises
    ------
    MolmisError
        Where a task raises it, or a worker was ended by somebody else.
    RemoteError
        Where a task raises anything else.
    """
    if min(workers, len(tasks)) < 2:
        for task in tasks:
            yield task, work(task, progress)
        return
    context = multiprocessing.get_context("fork")
    steps, told, before = context.Value("q", 0), 0, set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)), context, initializer=_begin, initargs=(work, tasks, steps, os.getpid())
    )
    try:
        with uninterrupted():  # the first of them forks the workers
            open_: dict[Future[_Done], Task] = {
                pool.submit(_carry_out, at): task for at, task in enumerate(tasks)
            }
        while open_:
            done, _ = wait(open_, timeout=_LOOK, return_when=FIRST_COMPLETED)
            now = steps.get_obj().value  # without the lock, which a worker that was killed may hold for ever
            if now > told:
                progress.advance(now - told)
                told = now
            for future in done:
                yield open_.pop(future), _told(future, progress)
        pool.shutdown()
    except BrokenProcessPool:
        raise MolmisError(
            f"one of {min(workers, len(tasks))} worker processes was ended from outside, as the system does "
            "where memory is short; what is finished is kept, and the same command goes on: with --workers "
            "1, or OMP_NUM_THREADS=1, it needs less"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()  # after an error or Ctrl-C; else none is left


def _told(future: Future[_Done], progress: Listener) -> Any:
    """Return the result of a task, or raise what it raised."""
    outcome, notes = future.result()
    for note in notes:
        progress.note(note)
    return outcome.unwrap()


#: In a worker: the work, its tasks, and where steps are counted.
_WORK: list[Any] = []


def _begin(work: Callable[..., Any], tasks: Sequence[Any], steps: Any, parent: int) -> None:
    """Make a fork of a process a worker of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it, too, and ends its workers
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before it could be asked for
        os._exit(1)
    # a bar that is drawn on the terminal stands in between, with a lock that its own thread may hold for ever
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    be_one_of_several()
    torch.set_num_threads(1)
    threadpool_limits(1)
    _WORK[:] = work, tasks, steps


def _carry_out(at: int) -> _Done:
    """Do one of the tasks in a worker."""
    work, tasks, steps = _WORK
    notes: list[str] = []

    def advance(count: int) -> None:
        with steps.get_lock():
            steps.value += count

    return Outcome.of(lambda: work(tasks[at], Listener(advance, notes.append))), notes
