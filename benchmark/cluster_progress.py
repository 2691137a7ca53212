"""Progress of tasks on other machines, told where the command was given.

Tasks tell a board, an actor beside the driver, what they begin and finish; the driver reads it and passes it
on to whoever listens there. A task that is done again, because its worker was lost, takes back what it told.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NamedTuple

from molecules.progress import Progress

#: Seconds between two messages of a stage: a task may make thousands of steps a second.
_PAUSE = 0.25


class Source(NamedTuple):
    """A task that tells of its progress: what people call it, and which of all tasks it is."""

    label: str
    number: int = 0


class Message(NamedTuple):
    """What a task tells.

    Attributes
    ----------
    source : Source
        Which task.
    kind : str
        ``note``, ``open`` (a stage), ``step``, ``done``, or ``gone``: nothing of it is passed on any more.
    text : str
        The note, or the name of the stage.
    amount : int
        Steps.
    """

    source: Source
    kind: str
    text: str = ""
    amount: int = 0


class Board:
    """Holds messages until they are read: made into an actor of the cluster."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def tell(self, message: Message) -> None:
        """Take a message."""
        self._messages.append(message)

    def read(self) -> list[Message]:
        """Return what has been told since the last time."""
        messages, self._messages = self._messages, []
        return messages


class Teller:
    """The listener of a task: passes on what it is told.

    Parameters
    ----------
    source : Source
        Which task.
    tell : callable
        Takes a :class:`Message`.
    """

    def __init__(self, source: Source, tell: Callable[[Message], object]) -> None:
        self._source, self._tell = source, tell

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Tell of a stage and, now and then, of its steps."""
        self._tell(Message(self._source, "open", name, total))
        waiting, told = 0, time.monotonic()

        def step(steps: int) -> None:
            nonlocal waiting, told
            waiting += steps
            if time.monotonic() - told >= _PAUSE:
                self._tell(Message(self._source, "step", name, waiting))
                waiting, told = 0, time.monotonic()

        yield step
        self._tell(Message(self._source, "step", name, waiting))

    def note(self, message: str) -> None:
        """Pass on one line."""
        self._tell(Message(self._source, "note", message))


class _Stage:
    """A stage of a task that the listener draws."""

    def __init__(self, drawn: AbstractContextManager[Callable[[int], None]], total: int) -> None:
        self._drawn, self._step, self._done, self._total = drawn, drawn.__enter__(), 0, total

    def step(self, steps: int) -> None:
        self._step(steps)
        self._done += steps

    def again(self) -> None:
        """Take back the steps of a task that is done again."""
        if self._done:
            self.step(-self._done)

    def close(self, *, done: bool = False) -> None:
        if done and self._done < self._total:  # of a task done again, parts were found as the first left them
            self.step(self._total - self._done)
        self._drawn.__exit__(None, None, None)


class Relay:
    """Passes messages of tasks on to a listener of this process.

    Parameters
    ----------
    read : callable
        Returns the messages on the board.
    progress : Progress
        The listener; only :meth:`pump` calls it, so that it is drawn from one thread.
    """

    def __init__(self, read: Callable[[], list[Message]], progress: Progress) -> None:
        self._read, self._progress = read, progress
        self._own: deque[Message] = deque()
        self._stages: dict[tuple[Source, str], _Stage] = {}
        self._gone: set[Source] = set()

    def tell(self, message: Message) -> None:
        """Take a message of this process; safe from every thread."""
        self._own.append(message)

    def pump(self) -> None:
        """Pass on what has been told since the last time."""
        # what this process says of a task, that it is done, comes after what the task itself has said
        own = [self._own.popleft() for _ in range(len(self._own))]
        opening = [message for message in own if message.kind == "open"]
        for message in (*opening, *self._read(), *(m for m in own if m.kind != "open")):
            self._pass(message)

    def close(self) -> None:
        """Close every stage."""
        for stage in self._stages.values():
            stage.close()
        self._stages.clear()

    def _pass(self, message: Message) -> None:
        key = (message.source, message.text)
        if message.source in self._gone:
            return
        if message.kind == "note":
            self._progress.note(f"{message.source.label}: {message.text}")
        elif message.kind == "open" and key in self._stages:
            self._stages[key].again()
        elif message.kind == "open" and message.amount:
            self._stages[key] = _Stage(self._progress.stage(message.text, message.amount), message.amount)
        elif message.kind == "step" and key in self._stages:
            self._stages[key].step(message.amount)
        elif message.kind in ("done", "gone"):
            self._end(message.source, done=message.kind == "done")

    def _end(self, source: Source, *, done: bool) -> None:
        for known in [known for known in self._stages if known[0] == source]:
            self._stages.pop(known).close(done=done)
        if not done:
            self._gone.add(source)


def actor_tell(board: Any) -> Callable[[Message], object]:
    """Return what tells an actor of :class:`Board`, without waiting for it."""
    return lambda message: board.tell.remote(message)


def wait_for_told(board: Any) -> None:
    """Wait until an actor of :class:`Board` has taken what this process told it."""
    import ray

    with suppress(ray.exceptions.RayError):  # progress is lost with it, nothing else
        ray.get(board.tell.remote(Message(Source(""), "flush")), timeout=30)
