"""Where cells are measured: on this machine, or as tasks of a Ray cluster."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from benchmark.execute import Settings, measure
from benchmark.results import CellResult
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import DataOptions, Task

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class Execution:
    """Where a user wants cells to be measured.

    Attributes
    ----------
    ray : bool
        On a Ray cluster; else on this machine.
    address : str
        Of the cluster: ``host:port``, ``auto`` (one that runs on this machine) or ``local`` (one of its own,
        here). Empty for ``$RAY_ADDRESS``, or else ``local``.
    cpus : int
        Processors, and threads, of a task.
    gpus : float
        Share of a GPU of a task; 0 where heads are trained on processors.
    """

    ray: bool = False
    address: str = ""
    cpus: int = 1
    gpus: float = 0.0

    @classmethod
    def of(
        cls,
        text: str,
        cpus: int | None = None,
        gpus: float | None = None,
        device: str = "auto",
        workers: int | None = None,
    ) -> Self:
        """Return what is meant by the options of a command line.

        Parameters
        ----------
        text : str
            ``local``, ``ray`` or ``ray:ADDRESS``.
        cpus : int or None
            ``--cpus-per-task``.
        gpus : float or None
            ``--gpus-per-task``.
        device : str
            ``--device``.
        workers : int or None
            ``--workers``.

        Raises
        ------
        MolmisError
            If it is none of these, or one option contradicts another.
        """
        where, colon, address = text.strip().partition(":")
        if where not in (LOCAL, RAY) or (where == LOCAL and colon) or (colon and not address):
            raise MolmisError(f"--execute {text}: give {LOCAL}, {RAY} or {RAY}:ADDRESS ({RAY}:10.0.0.1:6379)")
        if where == LOCAL:
            given = {"--cpus-per-task": cpus, "--gpus-per-task": gpus}
            if named := [option for option, value in given.items() if value is not None]:
                raise MolmisError(
                    f"{' and '.join(named)}: for --execute {RAY} only; leave out, or give --execute {RAY}"
                )
            return cls()
        if workers is not None:
            raise MolmisError(
                f"--workers: for --execute {LOCAL} only, as Ray shares the work of a cluster out; leave it "
                "out, or give --cpus-per-task"
            )
        if address.startswith("ray://"):
            raise MolmisError(
                f"--execute {text}: Ray Client is not used, because whoever plans the cells must see the "
                "folders of the cluster; run the command on a node of it (docs/cluster.md: ray job submit)"
            )
        if gpus is None:
            gpus = 1.0 if device == "cuda" else 0.0
        elif gpus and device == "cpu":
            raise MolmisError("--gpus-per-task contradicts --device cpu; leave one of them out")
        elif not gpus and device == "cuda":
            raise MolmisError("--gpus-per-task 0 contradicts --device cuda; leave one of them out")
        return cls(True, address, cpus or 1, gpus)


class Executor(Protocol):
    """What measures cells."""

    #: Cells that may be begun before the first of them is waited for.
    ahead: int

    def start(
        self, task: Task, options: DataOptions, settings: Settings, progress: Progress = SILENT
    ) -> Callable[[], CellResult]:
        """Begin a cell; what is returned waits for its result.

        Raises
        ------
        MolmisError
            As :func:`benchmark.execute.measure`, here or when the result is asked for.
        """


class Here:
    """Measures one cell after the other on this machine."""

    ahead = 1

    def start(
        self, task: Task, options: DataOptions, settings: Settings, progress: Progress = SILENT
    ) -> Callable[[], CellResult]:
        """Return what measures the cell when it is called."""
        return partial(measure, task, options, settings, progress)


HERE = Here()


@contextmanager
def opened(execution: Execution, settings: Settings, progress: Progress = SILENT) -> Iterator[Executor]:
    """Yield what measures cells; connected to the cluster inside the block, if one is wanted.

    Raises
    ------
    MolmisError
        If Ray is not installed, the cluster cannot be reached, or it cannot do the work.
    """
    if not execution.ray:
        yield HERE
        return
    from benchmark.cluster import Cluster  # what is local does without Ray

    with Cluster(execution, settings, progress) as cluster:
        yield cluster
