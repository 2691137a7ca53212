"""Progress bars with the time left, on standard error, for whatever opens a stage."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text


class _Rate(ProgressColumn):
    """Steps of a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class Bar:
    """A listener that draws one bar a stage and prints notes above them.

    Stages that are open at once are drawn together, those of one name as one bar: of a cluster, say, where
    many blocks of runs are trained at the same time.

    Parameters
    ----------
    console : Console
        Where to draw; on a terminal bars move, elsewhere they are printed once, when the last of those that
        are open together has ended.
    rate : bool
        Whether to draw how many steps are done in a second, too: for steps that are many and alike.
    """

    def __init__(self, console: Console, rate: bool = False) -> None:
        self.console, self._rate = console, rate
        self._bars: Bars | None = None
        self._drawn: dict[str, TaskID] = {}
        self._open = 0

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Draw a bar of ``total`` steps while the block runs."""
        if total == 0:
            yield lambda steps: None  # noqa: ARG005
            return
        bars = self._bars or self._start()
        self._open += 1
        try:
            task = self._bar(bars, name, total)
            yield lambda steps: bars.advance(task, steps)
        finally:
            self._open -= 1
            if not self._open:
                self._bars, self._drawn = None, {}
                bars.stop()

    def _start(self) -> Bars:
        columns = (
            TextColumn("{task.description:<26}"),
            BarColumn(None if self._rate else 40),  # with a rate: what is left of the line
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            *([_Rate(table_column=Column(no_wrap=True))] if self._rate else []),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        if not self._rate:
            self._bars = Bars(*columns, console=self.console)
        else:  # steps that come in large pieces are told seldom: half a minute may hold none of them
            self._bars = Bars(*columns, console=self.console, expand=True, speed_estimate_period=600)
        self._bars.start()
        return self._bars

    def _bar(self, bars: Bars, name: str, total: int) -> TaskID:
        """Return the bar of a name, longer by what is added to it."""
        if name not in self._drawn:
            self._drawn[name] = bars.add_task(name, total=total)
            return self._drawn[name]
        task = self._drawn[name]
        (so_far,) = (known.total or 0 for known in bars.tasks if known.id == task)
        bars.update(task, total=so_far + total)
        return task

    def note(self, message: str) -> None:
        """Print one line."""
        self.console.print(message, style="dim", highlight=False, markup=False, soft_wrap=True)
