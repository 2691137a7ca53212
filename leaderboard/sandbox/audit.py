"""What the interpreter tells before it does it: a submission that tries what it must not is ended at once.

This is what gives a refusal its sentence, and it is the whole wall only where the kernel has none (see
``docs/sandbox.md``): code that reaches memory can go around it.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

#: Flags of opening that write, or make a file.
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: What is read beside code: facts about the machine that libraries ask for, and nothing of processes.
_FACTS = frozenset({"/dev/null", "/dev/urandom", "/proc/cpuinfo", "/proc/meminfo"})

_PROCESS, _TRACE = "tried to start a process", "tried to follow the interpreter"
_WALK, _FILES = "tried to look through the objects of the interpreter", "tried to change files"
#: Events that are refused, or the beginnings of their names up to a dot, and what is said of them.
_REFUSED = {
    "socket": "tried to reach the network", "ftplib": "tried to reach the network",
    "http": "tried to reach the network", "urllib": "tried to reach the network",
    "smtplib": "tried to reach the network", "imaplib": "tried to reach the network",
    "poplib": "tried to reach the network", "nntplib": "tried to reach the network",
    "telnetlib": "tried to reach the network", "webbrowser": "tried to reach the network",
    "subprocess": _PROCESS, "pty": _PROCESS, "os.fork": _PROCESS, "os.forkpty": _PROCESS,
    "os.exec": _PROCESS, "os.posix_spawn": _PROCESS, "os.spawn": _PROCESS, "os.system": _PROCESS,
    "_thread.start_new_thread": "tried to start a thread", "ctypes": "tried to reach memory",
    "os.kill": "tried to send a signal", "os.killpg": "tried to send a signal",
    "signal.pthread_kill": "tried to send a signal", "resource.setrlimit": "tried to change its limits",
    "resource.prlimit": "tried to change its limits", "sys.settrace": _TRACE, "sys.setprofile": _TRACE,
    "sys.addaudithook": _TRACE, "sys._current_frames": _WALK, "sys._current_exceptions": _WALK,
    "gc.get_objects": _WALK, "gc.get_referrers": _WALK, "code.__new__": "tried to make byte code by hand",
    "shutil": _FILES, "tempfile": _FILES, "sqlite3": _FILES, "dbm": _FILES, "syslog": _FILES,
    "os.chmod": _FILES, "os.chown": _FILES, "os.link": _FILES, "os.mkdir": _FILES, "os.remove": _FILES,
    "os.rename": _FILES, "os.rmdir": _FILES, "os.symlink": _FILES, "os.truncate": _FILES,
    "os.utime": _FILES, "os.setxattr": _FILES, "os.removexattr": _FILES, "os.chdir": _FILES,
}  # fmt: skip


class OnlyGiven(MetaPathFinder):
    """Finds the packages that are given, and no others, in the place of the interpreter's own finder.

    Parameters
    ----------
    names : collection of str
        What may be imported.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is, or None where there is none or it is not given."""
        if name.partition(".")[0] not in self.names:
            return None
        return PathFinder.find_spec(name, path, target)


def install(readable: Sequence[str], listable: Sequence[str], end: Callable[[str], None]) -> None:
    """Watch the interpreter from now on.

    Parameters
    ----------
    readable : sequence of str
        Files, and folders with everything in them, that may be read.
    listable : sequence of str
        Folders whose names may be read.
    end : callable
        Called with what was tried, in words, when something is refused; it must not return.
    """
    files = frozenset(readable) | _FACTS
    folders = tuple(f"{path}/" for path in readable)
    names = frozenset(listable)
    real, decode = os.path.realpath, os.fsdecode

    def path_deed(event: str, arguments: tuple[Any, ...]) -> str | None:
        given = arguments[0] if arguments else None
        if isinstance(given, int):
            return None  # a file that is open already
        path = real(decode("." if given is None else given))
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            return f"tried to write to {path}"
        if path in files or path.startswith(folders) or (event != "open" and path in names):
            return None
        return f"tried to {'read' if event == 'open' else 'list'} {path}"

    refused = dict(_REFUSED)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.listdir", "os.scandir"):
            deed = path_deed(event, arguments)
        else:
            said = refused.get(event) or refused.get(event.partition(".")[0])
            deed = f"{said} ({event})" if said else None
        if deed is not None:
            end(deed)
            raise PermissionError(deed)

    sys.addaudithook(hook)
