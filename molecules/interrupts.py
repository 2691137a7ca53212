"""Ctrl-C while processes are started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C from what is started in the block, for good, and from this process until the block ends.

    A terminal sends it to all processes; the command itself ends those that it started. One that comes while
    a process is forked would be lost: Python swallows what is raised there.
    """
    if not hasattr(signal, "pthread_sigmask"):  # another system than Linux or macOS
        yield
        return
    resource_tracker.ensure_running()  # once it is, starting a process leaves the mask as it is
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
