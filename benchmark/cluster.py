"""Cells as tasks of a Ray cluster: planned here as cells of this process are, measured there.

Of every cell, one task prepares the encoder and embeds the records, one each trains and evaluates a block of
runs, and one measures the cell: it finds all blocks in the cache, attacks, and stores the result. So there is
one way of computing; what is lost with a node is done again elsewhere, and what was finished is found in the
cache.
"""

import itertools
import math
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

from benchmark.blocks import BlockStore
from benchmark.cluster_connection import connect, imported_ray
from benchmark.cluster_progress import Board, Message, Relay, Source
from benchmark.cluster_tasks import Parcel, Site, carry_out, look_around, not_shared
from benchmark.evaluate import EVALUATING, TRAINING
from benchmark.execute import Flags, Settings, plan_cell, stored_result
from benchmark.execution import Execution
from benchmark.failures import Outcome
from benchmark.plan import Cell
from benchmark.results import CellResult
from molecules.cache import cache_dir, writable
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import DataOptions, Task

#: How often a task is tried again whose worker or node was lost.
RETRIES = 8
#: Most cells in flight.
_MOST_AHEAD = 64
#: Seconds that a node may take to answer.
_PATIENCE = 120
#: Seconds between two looks at progress, and at the nodes.
_LOOK, _COUNT = 0.1, 3.0


class Cluster:
    """Measures cells on a Ray cluster; see :class:`benchmark.execution.Executor`.

    To be used as a context: connects when it is entered; what is not finished when it is left is ended.

    Parameters
    ----------
    execution : Execution
        Which cluster, and what a task takes.
    settings : Settings
        Where results go.
    progress : Progress
        Listener.

    Raises
    ------
    MolmisError
        When it is entered: if Ray is not installed, the cluster cannot be reached, a node does not see the
        folders that all must share, or none has what a task takes.
    """

    def __init__(self, execution: Execution, settings: Settings, progress: Progress = SILENT) -> None:
        self._execution, self._progress = execution, progress
        self._results = settings.results.resolve()
        self._ray = imported_ray()
        self._stopped, self._numbers = threading.Event(), itertools.count(1)
        self._encoders: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._alive: dict[str, str] = {}
        self._counted, self._waiting = 0.0, False

    def __enter__(self) -> Self:
        try:
            connect(self._ray, self._execution.address)
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()

    def start(
        self, task: Task, options: DataOptions, settings: Settings, progress: Progress = SILENT
    ) -> Callable[[], CellResult]:
        """Plan a cell and begin it; what is returned waits for its result."""
        # a driver need not have a GPU, nor a library that finds one: the tasks are asked
        settings = replace(settings, results=self._results, device="cpu")
        cell, flags = plan_cell(task, options, settings, progress)
        if self._execution.gpus:
            cell = replace(cell, device="cuda")
        stored = stored_result(cell, settings, progress)
        if stored is not None:
            return lambda: stored
        return partial(self._wait, self._pool.submit(self._carry, cell, flags, settings))

    def _open(self) -> None:
        """Look at the nodes, and make what the tasks need."""
        ray, execution = self._ray, self._execution
        self._site = Site(str(cache_dir("bank").parent.resolve()), self._probes(), execution.cpus)
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        # beside the driver: progress must not be lost with a worker
        self._board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        self._relay = Relay(lambda: ray.get(self._board.read.remote(), timeout=_PATIENCE), self._progress)
        self._task = ray.remote(carry_out).options(
            num_cpus=execution.cpus,
            num_gpus=execution.gpus,
            max_retries=RETRIES,  # of what is lost with a worker; what a task raises is an outcome
            retry_exceptions=False,
        )
        slots = self._look()
        self.ahead = min(slots, _MOST_AHEAD) + 1
        self._pool = ThreadPoolExecutor(self.ahead, thread_name_prefix="cell")
        self._progress.note(
            f"cluster: nodes: {len(self._alive)}, room for {slots} tasks of {_size(execution)}; cache "
            f"{self._site.cache}, results {self._results}"
        )

    def _probes(self) -> dict[str, str]:
        """Write the files that every node must see."""
        name, probes = f".seen-{uuid.uuid4().hex}", {}
        for folder, option in ((cache_dir("bank").parent, "MOLMIS_CACHE"), (self._results, "--results")):
            path = writable(folder, option).resolve() / name
            path.touch()
            probes[str(path)] = option
        return probes

    def _look(self) -> int:
        """Return how many tasks the nodes have room for at once, after asking each what it sees.

        Raises
        ------
        MolmisError
            If there is no room for one, or a node does not see a folder that all must share.
        """
        rooms = self._rooms()
        if not sum(room for _, _, room in rooms):
            raise MolmisError(
                f"no node of the cluster has room for a task of {_size(self._execution)}; give less by "
                "--cpus-per-task or --gpus-per-task, or wait until larger nodes have joined"
            )
        for identity, name, room in rooms:
            if room:
                self._ask(identity, name)
        self._alive = {identity: name for identity, name, _ in rooms}
        return sum(room for _, _, room in rooms)

    def _rooms(self) -> list[tuple[str, str, int]]:
        """Return identity, name, and room for tasks of every node that is alive."""
        wanted = {"CPU": float(self._execution.cpus), "GPU": self._execution.gpus}
        return [
            (
                node["NodeID"],
                f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
                min(
                    math.floor(node["Resources"].get(kind, 0) / amount + 1e-9)
                    for kind, amount in wanted.items()
                    if amount
                ),
            )
            for node in self._ray.nodes()
            if node["Alive"]
        ]

    def _ask(self, identity: str, name: str) -> None:
        """Ask a node which folders it sees."""
        ray = self._ray
        there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(identity, soft=False)
        ref = ray.remote(look_around).options(num_cpus=0, scheduling_strategy=there).remote(self._site)
        try:
            unseen = ray.get(ref, timeout=_PATIENCE)
        except ray.exceptions.GetTimeoutError:
            raise MolmisError(f"the node {name} has not answered for {_PATIENCE} s; take it away") from None
        except ray.exceptions.RayTaskError as error:
            raise MolmisError(_not_there(name, error)) from None
        except ray.exceptions.RayError:
            return  # lost since it was counted
        if unseen:
            raise MolmisError(not_shared(name, unseen))

    def _carry(self, cell: Cell, flags: Flags, settings: Settings) -> CellResult:
        """Carry a cell through the cluster, in a thread of its own."""
        parcel = self._ray.put(Parcel.of(cell, self._site))
        whole = self._source(_label(cell))
        with self._encoders[
            cell.encoder.key
        ]:  # one at a time: two tasks must not pretrain an encoder at once
            self._outcomes([(whole, "prepare", settings.attacks)], parcel)
        blocks = self._unfinished(cell, whole)
        self._outcomes([(source, "block", runs.start, runs.stop) for source, runs in blocks], parcel)
        settings = replace(settings, own={}, workers=1)  # quantizers are in the cell; a task is one process
        (outcome,) = self._outcomes([(whole, "finish", flags, settings)], parcel)
        result: CellResult | None = outcome.result
        if result is None:
            raise RuntimeError(f"{whole.label}: the task that measures the cell returned nothing")
        return result

    def _source(self, label: str) -> Source:
        return Source(label, next(self._numbers))

    def _unfinished(self, cell: Cell, whole: Source) -> list[tuple[Source, range]]:
        """Return the blocks of a cell that are not in the cache, after telling how much there is to do."""
        store = BlockStore(cell, SILENT)
        found = {runs: len(store.evaluations(runs)) for runs in store.blocks}
        wanted, reused = len(cell.quantizers), sum(found.values())
        if reused:
            said = f"evaluation: reused {reused} of {wanted * len(found)} blocks of quantizer x runs"
            self._relay.tell(Message(whole, "note", said))
        blocks = []
        for runs in (runs for runs, there in found.items() if there < wanted):
            source = self._source(f"{whole.label}, runs {runs.start} to {runs.stop - 1}")
            if store.bank_content(runs) is None:
                self._relay.tell(Message(source, "open", TRAINING, cell.protocol.head.epochs))
            self._relay.tell(Message(source, "open", EVALUATING, wanted - found[runs]))
            blocks.append((source, runs))
        return blocks

    def _outcomes(self, steps: Sequence[tuple[Any, ...]], parcel: Any) -> list[Outcome]:
        """Give tasks to the cluster, and return what became of them.

        None is cancelled where another one fails: in Ray 2 that can end the driver if a task ends just then.

        Parameters
        ----------
        steps : sequence of tuple
            Source, step, and its arguments.
        parcel : reference to Parcel
            The cell.
        """
        refs = [self._task.remote(parcel, source, self._board, step, *rest) for source, step, *rest in steps]
        try:
            return [self._outcome(step[0], ref) for step, ref in zip(steps, refs, strict=True)]
        except Exception:
            for source, *_ in steps:  # what has begun goes on, and is kept, but nobody waits for it
                self._relay.tell(Message(source, "gone"))
            raise

    def _outcome(self, source: Source, ref: Any) -> Outcome:
        """Wait for a task, and return or raise what became of it."""
        ray = self._ray
        while not ray.wait([ref], timeout=0.5)[0]:
            if self._stopped.is_set():
                raise MolmisError("stopped")
        try:
            outcome: Outcome = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            raise MolmisError(_not_there("that was given a task", error)) from None
        except ray.exceptions.RayError as error:
            raise MolmisError(
                f"{source.label}: its worker was lost {RETRIES + 1} times ({_first_line(error)}); where "
                "memory was short, give more --cpus-per-task, so that fewer tasks share a node; what is "
                "finished is kept, and the same command goes on"
            ) from None
        outcome.unwrap()
        self._relay.tell(Message(source, "done"))
        return outcome

    def _wait(self, future: Future[CellResult]) -> CellResult:
        """Wait for a cell, and tell meanwhile what all of them do."""
        while not future.done():
            self._relay.pump()
            self._count()
            time.sleep(_LOOK)
        self._relay.pump()
        return future.result()

    def _count(self) -> None:
        """Tell of nodes that were lost or have joined, now and then."""
        if time.monotonic() - self._counted < _COUNT:
            return
        self._counted = time.monotonic()
        rooms = self._rooms()
        now = {identity: name for identity, name, _ in rooms}
        for identity in self._alive.keys() - now.keys():
            self._progress.note(
                f"cluster: lost the node {self._alive[identity]}; what it had not finished is done again"
            )
        for identity in now.keys() - self._alive.keys():
            self._progress.note(f"cluster: the node {now[identity]} has joined")
        self._alive = now
        waiting = not any(room for _, _, room in rooms)
        if waiting and not self._waiting:
            self._progress.note(
                f"cluster: no node is left with room for a task of {_size(self._execution)}; waiting for one"
            )
        self._waiting = waiting

    def _close(self) -> None:
        """Leave the cluster, which ends the tasks that are not finished."""
        self._stopped.set()
        if pool := getattr(self, "_pool", None):
            pool.shutdown(wait=True, cancel_futures=True)
        if relay := getattr(self, "_relay", None):
            relay.close()
        for path in getattr(getattr(self, "_site", None), "probes", {}):
            Path(path).unlink(missing_ok=True)
        self._ray.shutdown()


def _label(cell: Cell) -> str:
    return f"{cell.task.name} · {cell.encoder_name}"


def _size(execution: Execution) -> str:
    """Say what a task takes."""
    processors = f"{execution.cpus} processor{'s' if execution.cpus > 1 else ''}"
    return f"{processors} and {execution.gpus:g} GPU" if execution.gpus else processors


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _not_there(node: str, error: Exception) -> str:
    """Say that a node could not run a task at all."""
    cause = getattr(error, "cause", None) or error
    return (
        f"the node {node} cannot run molmis ({_last_line(cause)}); install the same versions of it and of "
        "Python on all nodes, or put the checkout into a folder that they share"
    )


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
