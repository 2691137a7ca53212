"""Eight processes submit to one store at once, each killed at random moments and started again.

``python -m benchmarks.submissions`` does it fifty times, and counts what was lost, doubled or half-written.
What is killed is the whole of a submission but the training: cells come out as they did in one real
submission, and are written, hashed, put in their place and published as always.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.plan import Cell
from benchmark.results import CellResult, cell_path, read_cell, write_cell
from leaderboard import contained, submission
from leaderboard.folder import KINDS, Submission, read_submission
from leaderboard.protocol import Place
from molecules.cache import content_key
from molecules.errors import MolmisError
from tests.leaderboard.tiny import SOURCE, source, tiny

PROCESSES, ROUNDS, KILLS = 8, 50, 4
#: Seconds after which a process is killed, at most.
LONGEST = 0.6


@dataclass(frozen=True)
class _Planned:
    """Of a planned cell, what names its file."""

    key: str
    encoder_name: str
    task: object
    protocol: object


@dataclass(frozen=True)
class Named:
    """The attributes of a task or a protocol that name a file."""

    slug: str = ""
    runs: int = 0
    seed: int = 0


class Template:
    """Cells as they came out in a real submission."""

    def __init__(self, made: Submission) -> None:
        self.name = made.name
        self.cells = {place: read_cell(made.result(cell)) for place, cell in made.cells().items()}

    def result(self, place: Place, name: str) -> CellResult:
        """Return a cell as it would have come out under another name."""
        found = self.cells[place]
        renamed = {
            kind: frame.replace({"quantizer": {self.name: name}})
            for kind in ("rows", "attacks", "records")
            if (frame := getattr(found, kind)) is not None
        }
        facts = dict(found.facts)
        quantizers = dict(facts["quantizers"])  # type: ignore[call-overload]
        quantizers[name] = quantizers.pop(self.name) + f" called {name}"
        facts |= {"quantizers": quantizers, "key": content_key(str(facts["key"]), name)}
        return replace(found, **renamed, facts=facts)

    def measure(self, bench: contained.Bench, place: Place, name: str) -> contained.Measured:
        """Write a cell, as :meth:`leaderboard.contained.Bench.measure` would."""
        result = self.result(place, name)
        planned = _Planned(
            str(result.facts["key"]), place.encoder, Named(slug=place.task),
            Named(runs=bench.protocol.runs, seed=place.seed),
        )  # fmt: skip
        path = cell_path(
            bench.results, place.task, place.encoder, bench.protocol.runs, place.seed, planned.key
        )
        write_cell(path, result)
        cell: Cell = planned  # type: ignore[assignment]
        return contained.Measured(cell, read_cell(path), {"containment": "limits"})


def real_submission(folder: Path) -> Submission:
    """Return a submission that was measured in the sandbox."""
    return submission.submit(
        source(folder), "template", "A", protocol="tiny",
        submissions=folder / "submissions", results=folder / "results",
    )  # fmt: skip


def _submit(folder: Path, name: str) -> None:
    """Submit in this process, and end it."""
    code = 1
    try:
        submission.submit(
            folder / "mine.py", name, "A", protocol="tiny",
            submissions=folder / "submissions", results=folder / "results",
        )  # fmt: skip
        code = 0
    except MolmisError as error:
        code = 3 if "another process is submitting" in str(error) else 1
        if code == 1:
            print(error, flush=True)
    finally:
        os._exit(code)


def stress(folder: Path, template: Template, seed: int, processes: int = PROCESSES) -> tuple[list[str], int]:
    """Let processes submit to one store until each has been killed a few times and has then ended by itself.

    The last two have the same name and the same file.

    Returns
    -------
    wrong : list of str
        What was lost, doubled or half-written.
    kills : int
        How many were killed while they worked.
    """
    source(folder, SOURCE)
    random_ = random.Random(seed)
    names = [f"q{number}" for number in range(processes - 1)]
    names.append(names[-1])
    context = multiprocessing.get_context("fork")
    left = {number: random_.randint(1, KILLS) for number in range(processes)}
    running: dict[int, tuple[multiprocessing.process.BaseProcess, float]] = {}
    done: set[int] = set()
    wrong, kills = [], 0
    with _measured(template):
        while len(done) < processes:
            for number in set(range(processes)) - done - set(running):
                process = context.Process(target=_submit, args=(folder, names[number]))
                process.start()
                running[number] = process, time.monotonic() + random_.uniform(0, LONGEST)
            time.sleep(0.005)
            for number, (process, until) in list(running.items()):
                if process.exitcode is None and left[number] and time.monotonic() > until:
                    os.kill(process.pid or 0, signal.SIGKILL)
                    left[number] -= 1
                if process.exitcode is None:
                    continue
                process.join()
                del running[number]
                kills += process.exitcode == -signal.SIGKILL
                if process.exitcode == 0:
                    done.add(number)
                elif process.exitcode not in (-signal.SIGKILL, 3):
                    wrong.append(f"{names[number]}: exit code {process.exitcode}")
                    done.add(number)
    return wrong + faults(folder, template, sorted(set(names))), kills


class _measured:  # noqa: N801  # a context manager
    """Have cells come out as in the template."""

    def __init__(self, template: Template) -> None:
        self.template = template

    def __enter__(self) -> None:
        self.before = contained.Bench.measure, submission.admitted
        template = self.template

        def measure(bench: contained.Bench, place: Place, name: str, *_: object) -> contained.Measured:
            return template.measure(bench, place, name)

        contained.Bench.measure = measure  # type: ignore[method-assign]
        submission.admitted = lambda *_: (2.0, ())  # type: ignore[assignment]

    def __exit__(self, *error: object) -> None:
        contained.Bench.measure, submission.admitted = self.before  # type: ignore[method-assign]


def faults(folder: Path, template: Template, names: list[str]) -> list[str]:
    """Return what of the submissions and the store is not as it must be."""
    wrong: list[str] = []
    home, store = folder / "submissions" / "tiny", folder / "results"
    there = sorted(path.name for path in home.iterdir() if not path.name.startswith("."))
    if there != names:
        wrong.append(f"submissions are {there}, not {names}")
    expected: dict[str, CellResult] = {}
    for name in names:
        try:
            made = read_submission(home / name)
        except MolmisError as error:
            wrong.append(str(error))
            continue
        for place, cell in made.cells().items():
            expected[made.result(cell).name] = template.result(place, name)
    if sorted(path.name for path in store.glob("*.parquet")) != sorted(expected):
        wrong.append(f"the store has {len(list(store.glob('*.parquet')))} cells, not {len(expected)}")
    for file, result in expected.items():
        try:
            stored = read_cell(store / file)
        except MolmisError as error:
            wrong.append(str(error))
            continue
        alike = all(_same(getattr(stored, kind), getattr(result, kind)) for kind in ("rows", *KINDS))
        wrong += [] if alike else [f"{file} holds something else"]
    wrong += [f"{path} was written twice" for path in store.glob("history/*/*.parquet")]
    wrong += [f"{path} was left" for path in home.glob(".*.work")]
    return wrong


def _same(one: object, two: object) -> bool:
    import pandas as pd

    return isinstance(one, pd.DataFrame) and isinstance(two, pd.DataFrame) and one.equals(two)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    total, faulty = 0, 0
    with tiny(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = Template(real_submission(folder / "real"))
        for seed in range(rounds):
            wrong, kills = stress(folder / "round", template, seed)
            total, faulty = total + kills, faulty + bool(wrong)
            print(f"round {seed + 1}: {kills} killed; {'; '.join(wrong) or 'no fault'}", flush=True)
            shutil.rmtree(folder / "round")
    print(f"{rounds} rounds of {PROCESSES} processes, {total} killed: {faulty} rounds with a fault")


if __name__ == "__main__":
    main()
