"""Measuring some cells of a submission again, from nothing that its author could have touched."""

import hashlib
import math
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.results import CellResult
from leaderboard.compare import compare
from leaderboard.contained import Bench
from leaderboard.folder import Submission
from leaderboard.machine import machine
from leaderboard.manifest import Machine, now
from leaderboard.protocol import Place
from leaderboard.submitted_results import submitted_results
from leaderboard.verification import Verification, VerifiedCell
from models.encoders.base import trainable_encoders
from molecules.cache import cache_dir
from molecules.errors import DataError, MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import DataOptions

#: Share of the cells that is measured again where nobody says.
SHARE = 0.05
#: Rooms of the cache that are used again: what does not depend on a submission. Trained runs and what was
#: measured on them are made anew.
_SHARED = ("data", "embeddings", "encoders", "inchikeys", "labels", "records")


def drawn(submission: Submission, share: float, seed: int) -> list[Place]:
    """Return which cells are measured again, at least one.

    Parameters
    ----------
    submission : Submission
        The hash of its manifest enters, so that one seed does not draw the same cells of every submission.
    share : float
        Of all cells, above 0 and at most 1.
    seed : int
        The verifier's: known to nobody before.
    """
    places = sorted(submission.cells())
    count = max(1, math.ceil(share * len(places) - 1e-9))
    hashed = hashlib.sha256(f"{submission.sha256}:{seed}".encode()).digest()
    return sorted(random.Random(hashed).sample(places, count))  # noqa: S311  # the seed is the secret


def verify(
    submission: Submission,
    share: float = SHARE,
    seed: int = 0,
    *,
    options: DataOptions | None = None,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Verification:
    """Measure a random sample of the cells of a submission again, and compare.

    Parameters
    ----------
    submission : Submission
        Whole; see :func:`leaderboard.folder.read_submission`.
    share : float
        Of the cells, at least one.
    seed : int
        Of the drawing; to be chosen after the submission was handed in.
    options : DataOptions, optional
        Where data is.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    progress : Progress
        Listener.

    Raises
    ------
    DataError
        If results are damaged, or of something else than the manifest says.
    MolmisError
        If a cell cannot be measured here.
    """
    results, chosen = submitted_results(submission), drawn(submission, share, seed)
    cells: list[VerifiedCell] = []
    differ: dict[str, str] = {}
    with own_cache() as room:
        bench = Bench(submission.protocol, room / "results", options or DataOptions(), device)
        where = machine(bench.checked_device())
        for number, place in enumerate(chosen, 1):
            progress.note(f"cell {number} of {len(chosen)}: {place}")
            measured = bench.measure(place, submission.name, submission.source, progress).result
            differ |= versions_differ(results[place], measured)
            cells.append(_verified(submission, place, results[place], measured))
    for cell in cells:
        _refuse_untold(submission, cell, where)
    return Verification(
        submission=submission.sha256,
        verdict="mismatching" if any(cell.beyond for cell in cells) else "verified",
        when=now(),
        machine=where,
        seed=seed,
        share=share,
        of_cells=len(submission.manifest.cells),
        versions_differ=differ,
        cells=tuple(cells),
    )


def pretrained(encoder: str) -> bool:
    """Return whether an encoder is made by training, on every machine anew."""
    return encoder in trainable_encoders()


def _refuse_untold(submission: Submission, cell: VerifiedCell, where: Machine) -> None:
    """Refuse a verdict on a cell whose encoder was pretrained on another kind of processor.

    Such an encoder is another one, and how far figures then lie apart is not known: nobody is to be accused.
    """
    theirs = submission.manifest.machine
    other = (theirs.processor, theirs.device) != (where.processor, where.device)
    if cell.beyond and not cell.alike and other and pretrained(cell.encoder):
        raise MolmisError(
            f"{cell.task} · {cell.encoder} · seed {cell.seed} came out otherwise, but its encoder was "
            f"pretrained on another kind of processor ({theirs.processor}; here {where.processor}), so there "
            "is no verdict: verify it there, or draw other cells with another --seed"
        )


def versions_differ(submitted: CellResult, measured: CellResult) -> dict[str, str]:
    """Return the packages of which a result has another version than this program, and both versions."""
    theirs, ours = (result.facts.get("versions") for result in (submitted, measured))
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        raise DataError("a result does not say by which versions of packages it was measured")
    return {
        name: f"{str(theirs.get(name))[:60]} submitted, {version} here"
        for name, version in ours.items()
        if theirs.get(name) != version
    }


def _verified(
    submission: Submission, place: Place, submitted: CellResult, measured: CellResult
) -> VerifiedCell:
    """Return what came out of one cell."""
    differ = versions_differ(submitted, measured)
    device = submitted.facts.get("device") == measured.facts.get("device")
    same = device and not {"torch", "rdkit", "molmis"} & set(differ)
    made = compare(submitted, measured, same_program=same)
    return VerifiedCell(
        task=place.task, encoder=place.encoder, seed=place.seed, key=submission.cells()[place].key,
        alike=made.alike, figures=made.figures, largest=made.largest, largest_of=made.largest_of[:400],
        beyond=made.beyond, deviations=tuple(made.told or ()),
    )  # fmt: skip


@contextmanager
def own_cache() -> Iterator[Path]:
    """Work in a cache of its own: of the user's, only what does not depend on a submission is used."""
    before = os.environ.get("MOLMIS_CACHE")
    with tempfile.TemporaryDirectory(prefix="molmis-verify-") as name:
        room = Path(name)
        for shared in _SHARED:
            there = cache_dir(shared).resolve()
            try:
                there.mkdir(parents=True, exist_ok=True)
                (room / shared).symlink_to(there)
            except OSError as error:
                raise MolmisError(f"cannot use the cache {there} ({error.strerror or error})") from None
        os.environ["MOLMIS_CACHE"] = name
        try:
            yield room
        finally:
            if before is None:
                del os.environ["MOLMIS_CACHE"]
            else:
                os.environ["MOLMIS_CACHE"] = before
