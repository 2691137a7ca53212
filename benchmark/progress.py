"""Progress bars with the time left, on standard error, for whatever opens a stage."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Bar:
    """A listener that draws one bar a stage and prints notes above them.

    Parameters
    ----------
    console : Console
        Where to draw; on a terminal bars move, elsewhere each is printed once, when its stage ends.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Draw a bar of ``total`` steps while the block runs."""
        columns = (
            TextColumn("{task.description:<26}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self.console, transient=False, disable=total == 0) as bars:
            task = bars.add_task(name, total=total)
            yield lambda steps: bars.advance(task, steps)

    def note(self, message: str) -> None:
        """Print one line."""
        self.console.print(message, style="dim", highlight=False, markup=False, soft_wrap=True)
