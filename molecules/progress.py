"""How long-running functions tell their progress without knowing who listens.

A function that may take over a second accepts a :class:`Progress` and opens a stage on it; the command
line passes one that draws bars, everything else passes the silent one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """What a listener offers."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Open a stage of ``total`` steps; what is yielded is called with the number of steps just done."""

    def note(self, message: str) -> None:
        """Say one line, such as what was reused."""


class Silent:
    """The listener that says nothing."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """Open a stage that nobody watches."""
        yield lambda steps: None  # noqa: ARG005

    def note(self, message: str) -> None:
        """Say nothing."""


SILENT = Silent()


def counted(items: Iterable[T], advance: Callable[[int], None], step: int = 256) -> Iterator[T]:
    """Yield ``items``, telling ``advance`` of every ``step`` of them and of the rest at the end.

    Drawing a bar costs microseconds, which for work as short as parsing a molecule is too much to pay
    for every item.
    """
    done = 0
    for item in items:
        yield item
        done += 1
        if done == step:
            advance(done)
            done = 0
    advance(done)
