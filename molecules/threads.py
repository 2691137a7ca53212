"""How many threads may compute at once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def allowed_threads() -> int:
    """Return ``OMP_NUM_THREADS`` where it is set, as for tasks that share a node, else all cores there are.

    torch heeds it by itself; pools of threads of this project ask here.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if hasattr(os, "sched_getaffinity"):  # a queue or a container may have bound it to some of them
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def be_one_of_several() -> None:
    """Let this process compute in one thread, whatever asks and whichever library is loaded later.

    Processes that share the work are as many as cores.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy multiply small matrices in one thread while the block runs; torch keeps its own.

    Threads of NumPy's library wait for work by turning over, on the very cores that torch computes on: beside
    two threads of torch, two of NumPy's make an evaluation three to five times as slow as one does.
    """
    with threadpool_limits(1, user_api="blas"):
        yield
