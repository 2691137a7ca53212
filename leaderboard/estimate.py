"""How long a submission will take: by what earlier ones took here, and by a timed trial of the quantizer."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmark.execute import choose_device
from leaderboard.contained import Bench, admitted
from leaderboard.folder import found, read_manifest
from leaderboard.machine import machine
from leaderboard.manifest import Machine
from leaderboard.protocol import BoardProtocol, Place
from leaderboard.rerun import own_cache
from leaderboard.submission import Asked, words
from leaderboard.work import Work
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.catalogue import get_task
from tasks.task import DataOptions

if TYPE_CHECKING:
    from rich.table import Table

#: How a cell's estimate was made.
STORED, PROBED, DONE = "earlier submissions here", "a timed trial", "done already"
#: Heads of the two trials.
_PROBE_RUNS = (2, 4)


@dataclass(frozen=True)
class Estimate:
    """How long a cell will take.

    Attributes
    ----------
    place : Place
        The cell.
    seconds : float
        Of wall-clock time.
    by : str
        ``STORED``, ``PROBED`` or ``DONE``.
    """

    place: Place
    seconds: float
    by: str


def estimate(
    wanted: Asked, source: Path, options: DataOptions, device: str = "auto", progress: Progress = SILENT
) -> list[Estimate]:
    """Return how long each cell of a submission will take, after checking its contract.

    Parameters
    ----------
    wanted : Asked
        What is asked for.
    source : Path
        The submitted file.
    options : DataOptions
        Where data is.
    device : str
        Where it will be computed.
    progress : Progress
        Listener.

    Raises
    ------
    MolmisError
        If the quantizer breaks the contract.
    """
    progress.note(f"contract: checking {wanted.file} in the sandbox")
    admitted(source, wanted.file)
    work = Work.at(wanted.folder.parent, wanted.about.name, wanted.sha256)
    known = dict(_stored(wanted, machine(choose_device(device))))
    left = [place for place in wanted.places if work.done(place) is None]
    rate = None
    if any((place.task, place.encoder) not in known for place in left):
        rate = _probe(wanted, source, options, device, progress)
    made = []
    for place in wanted.places:
        pair = (place.task, place.encoder)
        if place not in left:
            made.append(Estimate(place, 0.0, DONE))
        elif pair in known:
            made.append(Estimate(place, known[pair], STORED))
        elif rate is not None:
            made.append(Estimate(place, rate.seconds(wanted.protocol, place), PROBED))
    return made


def _stored(wanted: Asked, here: Machine) -> Iterator[tuple[tuple[str, str], float]]:
    """Yield what a cell of a task and an encoder took, the median over submissions on such a machine."""
    took: dict[tuple[str, str], list[float]] = {}
    for folder in found(wanted.submissions, trials=not wanted.protocol.on_board):
        try:
            manifest = read_manifest(folder).manifest
        except MolmisError:
            continue  # the board tells of it
        if manifest.machine != here or manifest.protocol != wanted.protocol.name:
            continue
        for cell in manifest.cells:
            took.setdefault((cell.task, cell.encoder), []).append(cell.cost.seconds)
    yield from ((pair, median(seconds)) for pair, seconds in took.items())


@dataclass(frozen=True)
class Rate:
    """What a trial took.

    Attributes
    ----------
    fixed : float
        Seconds of a cell whatever its size.
    each : float
        Seconds of one head and one record.
    """

    fixed: float
    each: float

    def seconds(self, protocol: BoardProtocol, place: Place) -> float:
        """Return what a cell will take."""
        records = get_task(place.task).records or 0
        return self.fixed + self.each * protocol.runs * records


def _probe(wanted: Asked, source: Path, options: DataOptions, device: str, progress: Progress) -> Rate:
    """Measure a small cell with a few heads and with more; the difference is what heads take."""
    place = min(wanted.places, key=lambda place: get_task(place.task).records or math.inf)
    took = []
    with own_cache() as room:
        for runs in _PROBE_RUNS:
            progress.note(f"trial: {place} with {runs} heads")
            bench = Bench(replace(wanted.protocol, runs=runs), room / "results", options, device)
            begun = time.monotonic()
            bench.measure(place, wanted.about.name, source, SILENT)
            took.append(time.monotonic() - begun)
    records = get_task(place.task).records or 1
    each = max(took[1] - took[0], 0.0) / (_PROBE_RUNS[1] - _PROBE_RUNS[0])
    return Rate(max(took[0] - each * _PROBE_RUNS[0], 0.0), each / records)


def table(made: list[Estimate]) -> "Table":
    """Return estimates as a table, a row a cell, with the sum."""
    from rich.table import Table

    drawn = Table(header_style="bold", show_footer=True)
    total = sum(one.seconds for one in made)
    drawn.add_column("cell", footer=f"{len(made)} cell{'' if len(made) == 1 else 's'}")
    drawn.add_column("about", footer=words(total), justify="right")
    drawn.add_column("by", footer="pretraining of an encoder that is not cached comes on top")
    for one in made:
        drawn.add_row(str(one.place), words(one.seconds), one.by)
    return drawn
