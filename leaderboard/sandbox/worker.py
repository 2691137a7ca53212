"""The process of a submission: it closes the gate, runs the file, and answers matrix by matrix.

It is started by :mod:`leaderboard.sandbox.containment` and speaks over its standard input and output; what
the submission prints goes to standard error.
"""

import contextlib
import ctypes  # here, so that it is loaded before the gate is closed; numpy and scipy ask for it  # noqa: F401
import os
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from leaderboard.sandbox import audit, kernel
from leaderboard.sandbox.frames import encode, read
from leaderboard.sandbox.load import DeedError, Loaded, line_of, load, wants_torch

#: Bytes that a message of the board may have: the largest layers are smaller.
_LARGEST = 1 << 31


def main() -> None:
    """Serve until the board closes its end."""
    requests, say = _pipes()
    hello = read(requests, _LARGEST)
    if hello is None:
        return
    told, source = hello.head, hello.arrays["source"].tobytes()
    heavy = wants_torch(source)
    if heavy:
        import torch

        from leaderboard.sandbox import load_class  # noqa: F401

        torch.set_num_threads(1)
    readable, listable = map(Path, told["readable"]), map(Path, told["listable"])
    say({"say": "ready", **kernel.close_gate(told["limits"], readable, listable), "torch": heavy})
    _watch(told, say)
    if read(requests, 0) is None:  # the board has seen which walls stand, and says when to load
        return
    loaded = _tried(say, told["file"], lambda: load(told["file"], source, told["member"], heavy))
    if loaded is None:
        return
    say({"say": "loaded", "facts": loaded.facts})
    while (request := read(requests, _LARGEST)) is not None:
        _answer(say, told["file"], loaded, request.arrays["matrix"], request.head["number"])


def _pipes() -> tuple[BinaryIO, Callable[..., None]]:
    """Take the pipes to the board away from standard input and output; return one end, and how to speak."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    write = os.write

    def say(head: dict[str, Any], arrays: dict[str, Any] | None = None) -> None:
        rest = memoryview(encode(head, arrays))
        while rest:
            rest = rest[write(replies, rest) :]

    return requests, say


def _watch(told: dict[str, Any], say: Callable[..., None]) -> None:
    """Install what watches the interpreter."""
    exit_, readable, listable = os._exit, told["readable"], told["listable"]

    def end(deed: str) -> None:
        try:
            say({"say": "refused", "deed": deed[:1000]})
        finally:
            exit_(1)

    given = audit.OnlyGiven(frozenset(told["names"]))
    sys.meta_path[:] = [given if finder is PathFinder else finder for finder in sys.meta_path]
    # the file stands nowhere, but is looked for where a line of it is to be shown
    audit.install([*readable, os.path.realpath(told["file"])], listable, end)


def _answer(
    say: Callable[..., None], file: str, loaded: Loaded, matrix: np.ndarray[Any, Any], number: int
) -> None:
    """Answer for one matrix."""
    answer = _tried(say, file, lambda: loaded.answer(matrix), number)
    if answer is not None:
        head, arrays = answer
        say({"say": "answer", "number": number, **head}, arrays)


def _tried(say: Callable[..., None], file: str, function: Callable[[], Any], number: int = -1) -> Any:
    """Return what a function of the submission returns, or None after saying what it raised."""
    memory = False
    try:
        return function()
    except DeedError as error:
        deed = str(error)
    except MemoryError:
        deed, memory = "asked for more memory than it may have", True
    except BaseException as error:  # noqa: BLE001  # whatever a submission raises is told
        line = line_of(error, file)
        where = f" (line {line})" if line else ""
        deed = f"raised {type(error).__name__}: {_text(error)}{where}"
    finally:
        _flush()
    say({"say": "error", "number": number, "deed": deed[:1000], "memory": memory})
    return None


def _text(error: BaseException) -> str:
    try:
        return str(error.msg if isinstance(error, SyntaxError) else error)[:500]
    except Exception as other:  # noqa: BLE001  # its own method
        return f"no text, for that raised {type(other).__name__}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the submission may have put anything there
            stream.flush()
