"""The memory that a command takes with all processes that it starts."""

import threading
import time
from contextlib import suppress

import psutil

#: Seconds between two looks at the memory, at least, and in those that a look takes: the system sums up all
#: pages for it, which keeps the process waiting, and what is watched must not be slower for it.
_LOOK, _REST = 0.1, 100


class Memory:
    """The most memory that a process and all that it started take together, in MiB.

    What they share, such as libraries, is shared out among them (proportional set size).
    """

    def __init__(self, process: psutil.Process) -> None:
        self.peak = 0.0
        self._process, self._over = process, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        took = 0.0
        while not self._over.wait(max(_LOOK, _REST * took)):
            started, total = time.thread_time(), 0
            with suppress(psutil.NoSuchProcess):
                for process in [self._process, *self._process.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
                        total += process.memory_full_info().pss
            self.peak = max(self.peak, total / 2**20)
            took = time.thread_time() - started

    def end(self) -> float:
        """Stop watching and return the peak."""
        self._over.set()
        self._thread.join()
        return self.peak
