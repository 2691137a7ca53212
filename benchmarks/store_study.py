"""Processes that write into one results store and are killed: what ``python -m benchmarks.store`` counts."""

import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from benchmark.frame_file import frame_content, read_frame
from benchmark.results import HISTORY, ROWS, CellResult, read_cell, write_cell
from benchmarks.synthetic_cells import path_of, synthetic_cell
from leaderboard import board
from molecules.cache import content_key
from molecules.errors import DataError

#: Cells that all processes write, over and over.
CONTENDED = 4
#: Seconds within which a process is killed, once it is alive.
KILLED_WITHIN = 2.0
#: Quantizers of the cells that are written.
_FEW = ("float32", "uniform-4", "sign")


@dataclass
class Tally:
    """What was found in the store.

    Attributes
    ----------
    rounds, killed, written : int
        Rounds, processes killed in them, and cells that were said to be written.
    lost, doubled, torn : list of str
        See the module; one line each.
    left : int
        Parts of files that killed processes left behind, hidden, which nobody reads.
    unpaired : int
        Cells whose writer was killed between a frame beside and the rows: the board says so, and a later
        measurement mends it.
    """

    rounds: int = 0
    killed: int = 0
    written: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    left: int = 0
    unpaired: int = 0


@cache
def _drawn(number: int) -> CellResult:
    made = synthetic_cell(number, runs=4)
    few = [frame[frame["quantizer"].isin(_FEW)].reset_index(drop=True) for frame in (made.rows, made.attacks)]
    return replace(made, rows=few[0], attacks=few[1])


def cell(number: int, writer: int, turn: int) -> CellResult:
    """Return a small cell: one of the contended, or one of the writer's own."""
    contended = number < CONTENDED
    task = f"contended-{number}" if contended else f"own-{writer}-{number}"
    made = _drawn(number % CONTENDED)
    rows = made.rows.assign(rate=made.rows["rate"] + writer + turn / 1000) if contended else made.rows
    return replace(made, rows=rows, facts={**made.facts, "task": task, "key": content_key(task)})


def write_until_killed(folder: Path, acknowledge: int, writer: int, seed: int) -> None:
    """Write cells and say of each when it is written: one line to the file descriptor ``acknowledge``."""
    draw = random.Random(seed)
    for number in range(CONTENDED):
        _drawn(number)
    os.write(acknowledge, b"\n")  # it is alive
    for turn in range(sys.maxsize):
        number = draw.randrange(CONTENDED) if draw.random() < 0.5 else CONTENDED + turn + 1000 * seed
        result = cell(number, writer, turn)
        write_cell(path_of(folder, result), result)
        line = json.dumps([result.facts["key"], frame_content(result.rows)]) + "\n"
        os.write(acknowledge, line.encode())  # short enough to be written whole or not at all


def read_until_killed(folder: Path, acknowledge: int) -> None:
    """Read cells and tell of each that is not whole."""
    while True:
        for path in sorted(folder.glob("*.parquet")):
            try:
                read_cell(path)
            except DataError as error:
                os.write(acknowledge, (json.dumps(["", str(error)]) + "\n").encode())
        time.sleep(0.01)


def stress(folder: Path, processes: int, rounds: int, seed: int = 0) -> Tally:
    """Let processes write and be killed, and return what is then found in the store."""
    start = multiprocessing.get_context("forkserver")
    start.set_forkserver_preload([__name__])
    draw, tally, said = random.Random(seed), Tally(), set[tuple[str, str]]()
    for number in range(rounds):
        reader, writer = os.pipe()
        own: list[multiprocessing.process.BaseProcess] = []
        for place in range(-1, processes):  # the first of them reads
            given = (folder, _handed(writer), place, seed + number * processes + place)
            own.append(start.Process(target=_child, args=given))
        for process in own:
            process.start()
        os.close(writer)
        with os.fdopen(reader) as stream:
            lines = [stream.readline() for _ in range(processes)]  # until all are alive
            _kill(own, draw)
            lines += stream.readlines()
        told = {tuple(json.loads(line)) for line in lines if line.strip()}
        said |= {(key, content) for key, content in told if key}
        tally.torn += [error for key, error in told if not key]
        tally.rounds, tally.killed = tally.rounds + 1, tally.killed + processes
        check(folder, said, tally)
    if said and not tally.torn:
        check_board(folder, tally)
    tally.written = len(said)
    return tally


def _handed(descriptor: int) -> object:
    """Return a file descriptor as a process can be handed it."""
    from multiprocessing.reduction import DupFd

    return DupFd(descriptor)


def _child(folder: Path, acknowledge: object, writer: int, seed: int) -> None:
    descriptor = acknowledge.detach()  # type: ignore[attr-defined]
    if writer < 0:
        read_until_killed(folder, descriptor)
    write_until_killed(folder, descriptor, writer, seed)


def _kill(processes: list[multiprocessing.process.BaseProcess], draw: random.Random) -> None:
    """Kill every process at a moment of its own."""
    moments = sorted((draw.uniform(0.0, KILLED_WITHIN), place) for place in range(len(processes)))
    started = time.monotonic()
    for moment, place in moments:
        time.sleep(max(0.0, started + moment - time.monotonic()))
        processes[place].kill()
    for process in processes:
        process.join()


def check(folder: Path, said: set[tuple[str, str]], tally: Tally) -> None:
    """Read every file of the store and enter what is wrong."""
    found = set()
    files = sorted(folder.glob("*.parquet"))
    for path in files:
        try:
            result = read_cell(path)
        except DataError as error:
            tally.torn.append(str(error))
            continue
        found.add((str(result.facts["key"]), frame_content(result.rows)))
        tally.torn += [reason for reason in result.lost.values() if "belongs to another" not in reason]
    for path in sorted((folder / HISTORY).rglob("*.parquet")):
        try:
            rows, facts = read_frame(path)
        except DataError as error:
            tally.torn.append(str(error))
            continue
        if path.parent.name == ROWS:
            found.add((str(facts["key"]), frame_content(rows)))
    tally.lost += [f"{key} {content}" for key, content in sorted(said - found)]
    keys = Counter(path.stem.rsplit(".", 1)[-1] for path in files)
    tally.doubled += [key for key, count in keys.items() if count > 1]
    tally.left = sum(1 for _ in folder.rglob(".*.part"))


def check_board(folder: Path, tally: Tally) -> None:
    """Make the board of a store and enter what is wrong with it."""
    made = board(folder)
    keys = {path.stem.rsplit(".", 1)[-1] for path in folder.glob("*.parquet")}
    tally.unpaired = len(made.lost)
    cells = made.frame.groupby("cell")["quantizer"].agg(["size", "nunique"])
    tally.doubled += list(cells.index[cells["size"] != cells["nunique"]])
    if set(cells.index) != keys:
        tally.lost.append(f"cells that are not on the board: {made.skipped}")
