"""One process of a submission, from the side of the board: questions, answers, deadlines, and its end.

Nothing that comes from it is trusted: not how long a message says it is, not that it reads what it is sent,
not that it ends when it says so.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
import weakref
from collections.abc import Mapping, Sequence

from leaderboard.sandbox.frames import Frame, FrameError, decode, needed
from leaderboard.sandbox.limits import Limits, plain, size

#: Bytes that are read or written at once, and that a pipe holds.
_AT_ONCE, _ROOM = 1 << 18, 1 << 20
#: Seconds that a process has for its end once it has closed its pipe.
_LAST = 2.0


class FaultError(Exception):
    """What a process did that ended it, in words that follow the name of the file."""


class Process:
    """A process that answers one message with another.

    Parameters
    ----------
    command : sequence of str
        What is started.
    environment : mapping
        In which.
    limits : Limits
        How much it may print, and what is said of its ends.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], limits: Limits) -> None:
        import fcntl  # not everywhere, and whoever only imports this need not have it

        self._limits = limits
        self._process = subprocess.Popen(  # noqa: S603
            list(command), env=dict(environment), cwd="/", start_new_session=True, close_fds=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        )  # fmt: skip
        pipes = [self._process.stdin, self._process.stdout, self._process.stderr]
        self._to, self._from, self._said = (pipe.fileno() for pipe in pipes if pipe is not None)
        for number in (self._to, self._from, self._said):
            os.set_blocking(number, False)
        for number in (self._to, self._from):
            with contextlib.suppress(OSError):  # it is only faster with room for a whole matrix
                fcntl.fcntl(number, fcntl.F_SETPIPE_SZ, _ROOM)
        self._answer, self._printed = bytearray(), bytearray()
        self._open = {self._from, self._said}
        self._end = weakref.finalize(self, _kill, self._process)

    @property
    def printed(self) -> str:
        """What it has printed, in one line without control characters."""
        return plain(self._printed.decode(errors="replace"), self._limits.output)

    def ask(self, message: bytes, seconds: float, limit: int, where: str) -> Frame:
        """Send a message and return the answer.

        Parameters
        ----------
        message : bytes
            What is sent.
        seconds : float
            How long the answer may take.
        limit : int
            Bytes that the arrays of the answer may have.
        where : str
            What the process is doing, as the end of a sentence: `` on a 64 x 256 matrix``.

        Raises
        ------
        FaultError
            If it does not answer as it must. It has been ended then.
        """
        try:
            return self._exchange(memoryview(message), seconds, limit, where)
        except FrameError:
            self.close()
            raise FaultError(f"wrote something other than an answer to the sandbox's pipe{where}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process and everything that it may have started."""
        self._end()

    def _exchange(self, message: memoryview, seconds: float, limit: int, where: str) -> Frame:
        if self._answer:
            raise FrameError("bytes that nobody asked for")
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for number in self._open:
                selector.register(number, selectors.EVENT_READ)
            selector.register(self._to, selectors.EVENT_WRITE)
            while (frame := self._whole(limit)) is None:
                if self._from not in self._open:
                    raise FaultError(self._ending(where))
                left = deadline - time.monotonic()
                if left <= 0:
                    raise FaultError(f"ran longer than {seconds:g} s{where} and was stopped")
                for key, _ in selector.select(left):
                    if key.fd == self._to:
                        message = self._write(message)
                    else:
                        self._read(key.fd, where)
                    if key.fd not in self._open and not (key.fd == self._to and message):
                        selector.unregister(key.fd)
        return frame

    def _whole(self, limit: int) -> Frame | None:
        """Return the answer once all of it is there."""
        total = needed(self._answer, limit)
        if total is None or len(self._answer) < total:
            return None
        if len(self._answer) > total:
            raise FrameError("more than one message")
        frame = decode(self._answer)
        self._answer.clear()
        return frame

    def _write(self, message: memoryview) -> memoryview:
        """Write as much as the pipe takes, and return the rest."""
        try:
            return message[os.write(self._to, message[:_AT_ONCE]) :]
        except BlockingIOError:
            return message
        except BrokenPipeError:  # it will not read; what it says of that is waited for
            return message[:0]

    def _read(self, number: int, where: str) -> None:
        """Read what is there of the answer, or of what is printed."""
        try:
            data = os.read(number, _AT_ONCE)
        except BlockingIOError:
            return
        if not data:
            self._open.discard(number)
        if number == self._from:
            self._answer += data
            return
        room = self._limits.output - len(self._printed)
        self._printed += data[:room]
        if len(data) > room:
            raise FaultError(f"printed more than {size(self._limits.output)}{where} and was stopped")

    def _ending(self, where: str) -> str:
        """Return in words how the process ended."""
        try:
            code = self._process.wait(_LAST)
        except subprocess.TimeoutExpired:
            return f"closed its pipe to the sandbox{where} and was stopped"
        for _ in range(2 + self._limits.output // _AT_ONCE):
            self._read(self._said, where)
        number = -code if code < 0 else code - 128  # bubblewrap tells of a signal as a shell does
        if number == signal.SIGXCPU:
            return f"used more than {self._limits.processor} s of processor time{where} and was stopped"
        with contextlib.suppress(ValueError):
            return f"ended itself{where} (signal {signal.Signals(number).name})"
        return f"ended itself{where} (exit code {code})"


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process and its group, and take its pipes down."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
