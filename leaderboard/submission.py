"""Measuring a submission and writing its folder; every finished cell is kept, so a stopped one goes on.

Until the last cell is done everything lies in a folder of its own, and one renaming puts the submission where
it can be seen. So whoever looks finds a whole submission or none, whenever the process was killed.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from leaderboard.contained import Bench, Measured, admitted, renamed
from leaderboard.folder import (
    KINDS,
    MANIFEST,
    SOURCE,
    SOURCE_BYTES,
    Submission,
    check_name_is_free,
    read_file,
    read_submission,
)
from leaderboard.machine import machine, spent, total
from leaderboard.manifest import About, CellEntry, File, Manifest, Source, about, as_line, now
from leaderboard.protocol import CURRENT, BoardProtocol, Place, get_protocol
from leaderboard.sandbox import SandboxError
from leaderboard.submitted import publish, store_of
from leaderboard.work import Done, Work
from models.quantizers.zoo import refuse_taken
from molecules.cache import atomic_write, file_sha256, writable
from molecules.errors import DataError, MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import DataOptions


@dataclass(frozen=True)
class Asked:
    """What an author asks for, checked.

    Attributes
    ----------
    content : bytes
        Of the submitted file.
    file : str
        What it is called, for messages.
    about : About
        What the author says.
    protocol : BoardProtocol
        What it is measured on.
    seeds : tuple of int
        Of its cells.
    submissions : Path
        Folder of all submissions.
    """

    content: bytes = field(repr=False)
    file: str
    about: About
    protocol: BoardProtocol
    seeds: tuple[int, ...]
    submissions: Path

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the submission will lie."""
        return self.submissions / self.protocol.name / self.about.name

    @property
    def places(self) -> list[Place]:
        """Its cells."""
        return self.protocol.places(self.seeds)


def asked(
    source: Path,
    name: str,
    author: str,
    paper: str | None = None,
    *,
    protocol: str = CURRENT,
    seeds: Sequence[int] | None = None,
    submissions: Path = Path("submissions"),
) -> Asked:
    """Return what an author asks for; see :func:`submit`.

    Raises
    ------
    MolmisError
        If something of it cannot be.
    """
    said, chosen = about(name, author, paper), get_protocol(protocol)
    refuse_taken(name)
    content = read_file(source, SOURCE_BYTES)
    made = Asked(content, source.name, said, chosen, chosen.chosen_seeds(seeds), submissions)
    check_name_is_free(submissions, name, made.sha256, chosen)
    return made


def submit(
    source: Path | str,
    name: str,
    author: str,
    paper: str | None = None,
    *,
    protocol: str = CURRENT,
    seeds: Sequence[int] | None = None,
    submissions: Path | str = "submissions",
    results: Path | str = "results",
    options: DataOptions | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Submission:
    """Measure a quantizer by the board's protocol, and put it on the board.

    Parameters
    ----------
    source : Path or str
        A Python file with one quantizer; its code is run in the sandbox only.
    name : str
        What the board calls it.
    author : str
        Who submits it.
    paper : str, optional
        Where it is described: an address.
    protocol : str
        Name of a protocol; ``"trial"`` for a minute's trial that is not for the board.
    seeds : sequence of int, optional
        Those of the protocol, and further ones.
    submissions, results : Path or str
        Folders of all submissions, and of the results store that the board reads.
    options : DataOptions, optional
        Where data is.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    progress : Progress
        Listener.

    Returns
    -------
    Submission
        What was written, or was there already.

    Raises
    ------
    MolmisError
        If something of it cannot be, or the quantizer breaks the contract.
    """
    wanted = asked(
        Path(source), name, author, paper, protocol=protocol, seeds=seeds, submissions=Path(submissions)
    )
    store = store_of(Path(results), wanted.protocol)
    writable(wanted.folder.parent, "--submissions")
    writable(store, "--results")
    with _alone(wanted):
        check_name_is_free(wanted.submissions, name, wanted.sha256, wanted.protocol)  # since it was looked at
        if wanted.folder.exists():
            made = _there(wanted)
            progress.note(f"submission: {made.folder} is there already")
        else:
            work = Work.of(wanted.folder.parent, name, wanted.sha256)
            bench = Bench(wanted.protocol, work.results, options or DataOptions(), device)
            made = _measured(wanted, bench, work, progress)
        for path in publish(made, store):
            progress.note(f"results: wrote {path}")
        Work.clear(wanted.folder.parent, name)
    return made


@contextmanager
def _alone(wanted: Asked) -> Iterator[None]:
    """Refuse to work on a submission that another process works on; a killed one lets go of it."""
    lock = wanted.folder.parent / f".{wanted.about.name}.lock"
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise MolmisError(
            f"another process is submitting {wanted.about.name}; wait until it has ended"
        ) from None
    except OSError as error:
        raise DataError(f"cannot write {lock} ({error.strerror or error})") from None


def _there(wanted: Asked) -> Submission:
    """Return the submission that is there, if it is what is asked for."""
    made = read_submission(wanted.folder)
    if made.manifest.about != wanted.about or made.manifest.seeds != wanted.seeds:
        raise MolmisError(
            f"{wanted.folder} is there with another --author, --paper or --seeds; what was submitted is not "
            "changed: choose another --name"
        )
    return made


def _measured(wanted: Asked, bench: Bench, work: Work, progress: Progress) -> Submission:
    """Measure what is not measured yet, and write the folder."""
    device = bench.checked_device()
    work.keep_source(wanted.content)
    progress.note(f"contract: checking {wanted.file} in the sandbox")
    bits, flags = admitted(work.source, wanted.file)
    places, done, begun = wanted.places, {}, time.monotonic()
    fresh = 0
    for number, place in enumerate(places, 1):
        kept = work.done(place)
        if kept is not None:
            progress.note(f"cell {number} of {len(places)}: {place}: reused")
            done[place] = kept
            continue
        left = (
            f"; about {words((time.monotonic() - begun) / fresh * (len(places) - number + 1))} left"
            if fresh
            else ""
        )
        progress.note(f"cell {number} of {len(places)}: {place}{left}")
        done[place] = _cell(wanted, bench, work, place, progress)
        fresh += 1
    first = done[places[0]]
    manifest = Manifest(
        about=wanted.about,
        protocol=wanted.protocol.name,
        seeds=wanted.seeds,
        created=now(),
        source=Source(sha256=wanted.sha256),
        bits=bits,
        flags=tuple(map(as_line, flags[:20])),
        containment=first.containment,
        versions=first.versions,
        commit=first.commit,
        machine=machine(device),
        cost=total({place: kept.entry.cost for place, kept in done.items()}),
        cells=tuple(kept.entry for kept in done.values()),
    )
    return _written(wanted, work, manifest)


def words(seconds: float) -> str:
    """Return a time in words."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _cell(wanted: Asked, bench: Bench, work: Work, place: Place, progress: Progress) -> Done:
    """Measure one cell and keep that it is done."""
    try:
        with spent() as cost:
            measured = bench.measure(place, wanted.about.name, work.source, progress)
    except SandboxError as error:
        raise renamed(error, wanted.file) from None
    _check_attacks(wanted.protocol, measured)
    own = work.result(measured)
    paths = [own, *(own.parent / kind / own.name for kind in KINDS)]
    entry = CellEntry(
        task=place.task,
        encoder=place.encoder,
        seed=place.seed,
        key=measured.cell.key,
        files=tuple(
            File(path=path.relative_to(work.folder).as_posix(), sha256=file_sha256(path)) for path in paths
        ),
        cost=cost.cost(),
    )
    return work.keep(place, Done.of(entry, measured))


def _check_attacks(protocol: BoardProtocol, measured: Measured) -> None:
    """Refuse a program that no longer tries the attacks of a protocol."""
    attacks = measured.result.attacks
    tried = set() if attacks is None else set(attacks.loc[attacks["run"] >= 0, "attack"])
    if missing := sorted(set(protocol.attacks) - tried):
        raise MolmisError(
            f"the protocol {protocol.name} asks for the attack {missing[0]}, which could not be tried here"
        )


def _written(wanted: Asked, work: Work, manifest: Manifest) -> Submission:
    """Write the folder beside its place, and put it there in one step."""
    final = work.fresh("whole")
    paths = [SOURCE, *(file.path for cell in manifest.cells for file in cell.files)]
    for name in paths:
        with atomic_write(final / name) as temporary:
            temporary.write_bytes((work.folder / name).read_bytes())
    with atomic_write(final / MANIFEST) as temporary:
        temporary.write_text(manifest.text(), encoding="utf-8")
    read_submission(final)  # what cannot be read again is not written
    try:
        for folder in (final / "results", final):
            _settled(folder)
        final.rename(wanted.folder)
        _settled(wanted.folder.parent)
    except OSError as error:
        raise DataError(f"cannot write {wanted.folder} ({error.strerror or error})") from None
    return read_submission(wanted.folder)


def _settled(folder: Path) -> None:
    """Have the names in a folder written to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
