"""Processes that make parts: one part each at a time, so that reading never runs ahead of them.

Processes are spawned, not forked: they may compute on a GPU, and all that they share is what the encoder has
learned. They learn that the command is gone by the end of their pipe, even where it was killed, and leave no
half file when they are ended.
"""

import pickle
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.embed.part import Counts, Part, make_part
from molecules.errors import DataError, MolmisError
from molecules.interrupts import uninterrupted
from molecules.threads import be_one_of_several

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from models.encoders.base import Encoder

#: Seconds that a process has to end when it is asked to.
_PATIENCE = 10


@dataclass(frozen=True)
class Work:
    """What every process is given once.

    Attributes
    ----------
    encoder : bytes
        The encoder as it was before it was prepared, pickled.
    state : bytes or None
        What it has learned, as a safetensors file; None where it reads its own files again.
    device : str
        Where to compute.
    dimensions : int
        Of an embedding.
    folder : Path
        Where parts are written.
    key : str
        See :func:`models.embed.part.make_part`.
    """

    encoder: bytes
    state: bytes | None
    device: str
    dimensions: int
    folder: Path
    key: str

    def prepared(self) -> "Encoder":
        """Return the encoder, ready."""
        from safetensors.torch import load

        from models.encoders.base import EncoderState

        encoder: Encoder = pickle.loads(self.encoder)  # noqa: S301  # pickled by the command that started this
        if self.state is None:
            encoder.prepare(self.device)
        else:
            encoder.restore(EncoderState(load(self.state)), self.device)
        return encoder


class Workers:
    """Up to so many processes, started as they are needed; see :func:`workers`."""

    def __init__(self, work: Work, most: int) -> None:
        self._work, self._most = work, most
        self._processes: dict[Connection, SpawnProcess] = {}
        self._idle: list[Connection] = []
        #: The part that a process makes; None while it loads its libraries.
        self._busy: dict[Connection, Part | None] = {}

    def make(self, parts: Iterable[Part]) -> Iterator[Counts]:
        """Make parts and yield what became of the rows of each, in the order in which they are done.

        A part is asked for when a process is free for it, so that there are no more of them than processes.

        Raises
        ------
        MolmisError
            If a process ends by itself, or a part cannot be written.
        """
        source = iter(parts)
        waiting = next(source, None)
        while waiting is not None or any(self._busy.values()):
            if waiting is not None and self._idle:
                self._send(waiting)
                waiting = next(source, None)
            elif waiting is not None and len(self._processes) < self._most:
                self._start()
            else:
                for connection in wait(list(self._busy)):
                    counts = self._answer(connection)  # type: ignore[arg-type]
                    if counts is not None:
                        yield counts

    def _start(self) -> None:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_run, args=(there, self._work), daemon=True)
        with uninterrupted():
            process.start()
        there.close()
        self._processes[here], self._busy[here] = process, None

    def _send(self, part: Part) -> None:
        connection = self._idle.pop(0)
        self._busy[connection] = part
        try:
            connection.send(part)
        except OSError:
            raise self._ended(connection) from None

    def _answer(self, connection: Connection) -> Counts | None:
        """Return what a process says of its part; None where it says that it has loaded its libraries."""
        try:
            kind, told = connection.recv()
        except (EOFError, OSError):
            raise self._ended(connection) from None
        if kind == "refused":
            raise MolmisError(told)
        if kind == "failed":
            raise RuntimeError(f"a process of models.embed failed:\n{told}")
        self._idle.append(connection)
        del self._busy[connection]
        return told if isinstance(told, Counts) else None

    def _ended(self, connection: Connection) -> DataError:
        process, part = self._processes[connection], self._busy[connection]
        process.join(_PATIENCE)
        code = process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        memory = ": perhaps too little memory, give fewer --workers" if code == -signal.SIGKILL else ""
        what = "while it was loaded"
        if part is not None:
            what = f"at rows {part.first:,} to {part.first + len(part.texts) - 1:,}"
        return DataError(
            f"a worker process was ended {how} {what}{memory}; finished parts are kept, and the same command "
            "goes on where it was"
        )

    def end(self, now: bool) -> None:
        """End all processes, those that make a part at once or when they have made it."""
        for connection, process in self._processes.items():
            connection.close()
            if now:
                process.terminate()
        for process in self._processes.values():
            process.join(_PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


@contextmanager
def workers(work: Work, most: int) -> Iterator[Workers]:
    """Give processes that make parts, and end them when the block ends.

    Parameters
    ----------
    work : Work
        What every one is given.
    most : int
        How many there may be.
    """
    crew = Workers(work, most)
    try:
        yield crew
    except BaseException:
        crew.end(now=True)
        raise
    crew.end(now=False)


def _run(connection: Connection, work: Work) -> None:
    """Make the parts that come through a connection, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # see uninterrupted, which is not to be had everywhere
    # an exception and not the end at once: temporary files are taken away on the way out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    be_one_of_several()  # before libraries are loaded
    try:
        connection.send(_tried(lambda: _answer_to(connection, work)))
    except (EOFError, OSError):  # the command is gone
        return
    finally:  # nothing is half written any more
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _tried(call: Any) -> tuple[str, object]:
    try:
        call()
    except MolmisError as error:
        return "refused", str(error)
    except MemoryError:
        return "refused", (
            "a worker process was refused memory; finished parts are kept, and the same command with fewer "
            "--workers goes on where it was"
        )
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception:  # noqa: BLE001  # told where it can be seen
        return "failed", traceback.format_exc()
    return "ended", None


def _answer_to(connection: Connection, work: Work) -> None:
    import torch

    torch.set_num_threads(1)
    encoder = work.prepared()
    connection.send(("ready", None))
    while True:
        part: Part = connection.recv()
        counts = make_part(part, encoder, work.dimensions, work.folder, work.key)
        connection.send(("done", counts))
