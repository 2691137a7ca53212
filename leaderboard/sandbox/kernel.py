"""What the kernel holds a submission to: set by a process for itself before the file is loaded, for good."""

import ctypes
import mmap
import os
import resource
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from leaderboard.sandbox import landlock, syscalls

# of prctl and capset
_NO_NEW_PRIVILEGES, _DIE_WITH_PARENT, _DROP_CAPABILITY, _CAPABILITIES = 38, 1, 24, 0x20080522
#: Address space that interpreter and libraries are taken to have where ``/proc`` does not say.
_UNKNOWN = 8 << 30


def close_gate(
    limits: Mapping[str, Any], readable: Iterable[Path], listable: Iterable[Path]
) -> dict[str, Any]:
    """Take from this process what a submission must not have; return which walls of the kernel stand.

    Parameters
    ----------
    limits : mapping
        Fields of :class:`leaderboard.sandbox.limits.Limits`.
    readable, listable : iterable of Path
        See :func:`leaderboard.sandbox.landlock.install`.

    Returns
    -------
    dict
        ``seccomp``: whether system calls are filtered; ``landlock``: its version, 0 for none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    space = _address_space()  # first, for nothing of /proc can be read later
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    _drop_capabilities(libc)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    version = landlock.install(readable, listable)
    _limit(limits, space)
    return {"seccomp": syscalls.install(os.getpid()), "landlock": version}


def _limit(limits: Mapping[str, Any], space: int) -> None:
    """Set the limits that a process cannot raise again, memory beyond the address space that it has."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + int(limits["processor"])
    # the soft limit of the processor gives a signal that tells it from other ends, the hard one kills
    _set(resource.RLIMIT_CPU, seconds, seconds + 2)
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, 0)  # not a byte is written to any file
    _set(resource.RLIMIT_NOFILE, int(limits["files"]))
    _set(resource.RLIMIT_NPROC, 1)
    _set(resource.RLIMIT_MEMLOCK, 0)
    _set(resource.RLIMIT_MSGQUEUE, 0)
    _set(resource.RLIMIT_AS, space + int(limits["memory"]))


def _set(kind: int, soft: int, hard: int | None = None) -> None:
    resource.setrlimit(kind, (soft, soft if hard is None else hard))


def _address_space() -> int:
    """Return the bytes of address space that this process has now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    except OSError:
        return _UNKNOWN


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up what root may do beyond others; root is still the owner of its files."""
    for number in range(64):
        libc.prctl(_DROP_CAPABILITY, number, 0, 0, 0)  # fails where there is none, and without privileges
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())
