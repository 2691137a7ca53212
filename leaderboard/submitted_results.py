"""The results in the folder of a submission, each read only as what the manifest says that it is."""

from typing import Any

from benchmark.results import CellResult, read_cell
from leaderboard.folder import KINDS, Submission
from leaderboard.manifest import CellEntry
from leaderboard.protocol import Place
from molecules.errors import DataError


def submitted_results(submission: Submission) -> dict[Place, CellResult]:
    """Return the results of all cells of a submission, after checking that each is what it is said to be.

    Raises
    ------
    DataError
        If a file is damaged or holds something else.
    """
    return {place: read_result(submission, place, cell) for place, cell in submission.cells().items()}


def read_result(submission: Submission, place: Place, cell: CellEntry) -> CellResult:
    """Return the result of one cell of a submission.

    Raises
    ------
    DataError
        If a file is damaged or holds something else.
    """
    result = read_cell(submission.result(cell))
    _check_facts(submission, place, cell, result)
    return result


def _check_facts(submission: Submission, place: Place, cell: CellEntry, result: CellResult) -> None:
    """Refuse a result of something else."""
    from models.quantizers.zoo import resolve

    protocol = submission.protocol
    names = [*resolve(["float32", *protocol.quantizers]), submission.name]
    wanted: dict[str, Any] = {
        "task": place.task, "encoder": place.encoder, "seed": place.seed, "runs": protocol.runs,
        "key": cell.key,
    }  # fmt: skip
    for name, value in wanted.items():
        if result.facts.get(name) != value:
            raise DataError(
                f"{submission.result(cell)} is not of the cell {place}: its {name} is another one"
            )
    told = result.facts.get("quantizers")
    rows = list(dict.fromkeys(result.rows["quantizer"])) if "quantizer" in result.rows else []
    if not isinstance(told, dict) or sorted(told) != sorted(names) or sorted(rows) != sorted(names):
        raise DataError(
            f"{submission.result(cell)} is to hold {submission.name} and the quantizers of the protocol "
            f"{protocol.name}, and holds others"
        )
    bits = submission.manifest.bits
    if set(result.rows.loc[result.rows["quantizer"] == submission.name, "bits"]) != {bits}:
        raise DataError(
            f"{submission.result(cell)} holds {submission.name} at other bits than "
            f"the manifest says ({bits:g})"
        )
    for kind in KINDS:
        if getattr(result, kind) is None:
            raise DataError(f"{submission.result(cell)}: its file of {kind} is damaged or of another cell")
