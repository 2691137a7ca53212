"""How the process of a submission is started: inside bubblewrap where that works, else by itself.

Limits, system call filter, Landlock and audit hook are the same in both (see ``worker``); bubblewrap adds a
world of its own around them: no network, no other processes, and a file system that holds nothing else.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from leaderboard.sandbox.places import Places, places
from molecules.errors import MolmisError

#: What the process knows of its surroundings; one thread each, or libraries would start more.
ENVIRONMENT = {
    "PATH": "/usr/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", "TZ": "UTC",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1",
}  # fmt: skip
#: Run before anything else: where packages lie; ours stand for themselves, so that none imports its rooms.
_BEGIN = """
import json, sys, types
told = json.loads(sys.argv.pop())
sys.path += told["sites"]
for name, folder in told["rooms"].items():
    sys.modules[name] = room = types.ModuleType(name)
    room.__path__ = [folder]
del told, name, folder, room
"""
#: And then.
_SERVE = "from leaderboard.sandbox.worker import main; main()"
#: Seconds after which bubblewrap is taken not to work.
_PATIENCE = 20


class Containment(StrEnum):
    """What is around the process of a submission."""

    BUBBLEWRAP = "bubblewrap"
    LIMITS = "limits"


@dataclass(frozen=True)
class Bubblewrap:
    """Bubblewrap on this machine.

    Attributes
    ----------
    path : str
        The program; empty where it does not work.
    version : str
        Of it.
    options : tuple of str
        How it is to be called here.
    reason : str
        Why it does not work.
    """

    path: str = ""
    version: str = ""
    options: tuple[str, ...] = field(default=(), repr=False)
    reason: str = ""


def chosen(wanted: Containment | None) -> Containment:
    """Return the containment that is wanted, or the strongest that works here.

    Raises
    ------
    MolmisError
        If it does not work on this machine.
    """
    if not sys.platform.startswith("linux"):
        raise MolmisError(f"submissions are run on Linux only, and this is {sys.platform}")
    works = bool(bubblewrap().path)
    if wanted is Containment.BUBBLEWRAP and not works:
        raise MolmisError(f"bubblewrap does not work here ({bubblewrap().reason}); install it, or use limits")
    return wanted or (Containment.BUBBLEWRAP if works else Containment.LIMITS)


def command(containment: Containment) -> list[str]:
    """Return the command that starts the process of a submission."""
    around = []
    if containment is Containment.BUBBLEWRAP:
        around = [bubblewrap().path, *bubblewrap().options, "--"]
    return [*around, *interpreter(places(), _SERVE)]


def interpreter(given: Places, code: str) -> list[str]:
    """Return the command that runs code in an interpreter that finds only what is given."""
    told = json.dumps({"sites": list(map(str, given.sites)), "rooms": given.rooms})
    return [str(given.python), "-I", "-S", "-B", "-c", _BEGIN + code, told]


@cache
def bubblewrap() -> Bubblewrap:
    """Return bubblewrap on this machine, after trying whether an interpreter with numpy starts in it."""
    path = shutil.which("bwrap")
    if path is None:
        return Bubblewrap(reason="there is no program bwrap")
    known = _said([path, "--help"])[1]
    reason = ""
    for process_files in (True, False):  # within some containers /proc cannot be mounted anew
        options = _options(places(), known, process_files=process_files)
        test = interpreter(places(), "import numpy")
        code, said = _said([path, *options, "--", *test])
        if code == 0:
            return Bubblewrap(path, _said([path, "--version"])[1].split()[-1], tuple(options))
        reason = reason or " ".join(said.split())[-200:] or f"exit code {code}"
    return Bubblewrap(reason=reason)


def _said(command_: list[str]) -> tuple[int, str]:
    """Return the exit code of a command, and what it printed."""
    try:
        done = subprocess.run(  # noqa: S603
            command_, capture_output=True, text=True, check=False, timeout=_PATIENCE,
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, cwd="/", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)
    return done.returncode, done.stdout + done.stderr


def _options(given: Places, known: str, *, process_files: bool) -> list[str]:
    """Return the options of bubblewrap.

    Parameters
    ----------
    given : Places
        What is read.
    known : str
        The help of this bubblewrap: older ones lack an option.
    process_files : bool
        Whether ``/proc`` is mounted, with the processes of the sandbox in it.
    """
    options = ["--unshare-all", "--unshare-user", "--uid", "65534", "--gid", "65534"]
    options += ["--disable-userns"] if "--disable-userns" in known else []
    options += ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"]
    options += ["--clearenv"] if "--clearenv" in known else []
    for name, value in ENVIRONMENT.items():
        options += ["--setenv", name, value]
    for path in (*given.shared, given.library):
        options += ["--ro-bind", str(path), str(path)]
    for path in given.masked:
        options += ["--tmpfs", str(path)]
    for path in (given.python, *given.packages, *given.code):
        options += ["--ro-bind", str(path), str(path)]
    for path in given.masked:
        options += ["--remount-ro", str(path)]
    options += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    options += ["--proc", "/proc"] if process_files else []
    for device in ("/dev/null", "/dev/urandom"):
        options += ["--dev-bind", device, device]
    # what holds all this together is a file system in memory: nothing can be put there, either
    return [*options, "--remount-ro", "/", "--chdir", "/"]


def environment(containment: Containment) -> Mapping[str, str]:
    """Return the environment in which :func:`command` is started: nothing of ours."""
    return ENVIRONMENT if containment is Containment.LIMITS else {**ENVIRONMENT, "PATH": os.defpath}


def readable(given: Places) -> dict[str, list[str]]:
    """Return what the process is told that it may read: paths, and folders whose names it may read."""
    return {
        "readable": list(map(str, given.readable)),
        "listable": [str(Path(path)) for path in (given.library, *given.sites)],
        "names": sorted(given.names),
    }
