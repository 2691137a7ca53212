"""A submitted file in the sandbox, and the settings by which it is measured in a cell."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.execute import Settings, choose_device, measure_cell, plan_cell
from leaderboard.protocol import BoardProtocol, Place
from leaderboard.sandbox import SandboxedQuantizer, SandboxError, admit, sandboxed
from molecules.errors import MolmisError
from molecules.progress import Progress
from tasks.catalogue import get_task
from tasks.task import DataOptions

if TYPE_CHECKING:
    from benchmark.plan import Cell
    from benchmark.results import CellResult


@dataclass(frozen=True)
class Measured:
    """A measured cell: what was planned, its result, and how the submitted code was run."""

    cell: "Cell"
    result: "CellResult"
    containment: Mapping[str, object]


@dataclass(frozen=True)
class Bench:
    """Where and how submissions are measured.

    Attributes
    ----------
    protocol : BoardProtocol
        What is measured.
    results : Path
        Folder that results are written to.
    options : DataOptions
        Where data is.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    """

    protocol: BoardProtocol
    results: Path
    options: DataOptions
    device: str = "auto"

    def settings(self, place: Place, name: str, quantizer: SandboxedQuantizer) -> Settings:
        """Return how a cell is measured with a submission in it."""
        return Settings(
            encoder=place.encoder,
            quantizers=self.protocol.quantizers,
            runs=self.protocol.runs,
            seed=place.seed,
            device=self.device,
            results=self.results,
            own={name: quantizer},
        )

    def measure(self, place: Place, name: str, source: Path, progress: Progress) -> Measured:
        """Measure a cell, with the submission in the sandbox.

        Raises
        ------
        SandboxError
            If the submission did what it must not.
        MolmisError
            If the cell cannot be measured.
        """
        options = replace(self.options, progress=progress)
        with opened(source) as quantizer:
            settings = self.settings(place, name, quantizer)
            cell, flags = plan_cell(get_task(place.task), options, settings, progress)
            result = measure_cell(cell, flags, settings, progress)
            quantizer.settle()
            return Measured(cell, result, quantizer.record())

    def checked_device(self) -> str:
        """Return where it is computed."""
        return choose_device(self.device)


@contextmanager
def opened(source: Path) -> Iterator[SandboxedQuantizer]:
    """Yield the quantizer of a file, in processes of its own that end with the block."""
    quantizer = sandboxed(source)
    try:
        yield quantizer
    finally:
        quantizer.close()


def admitted(source: Path, name: str) -> tuple[float, tuple[str, ...]]:
    """Hold a file to the contract; return its bits a weight, and what a reader of its figures must know.

    Parameters
    ----------
    source : Path
        The file.
    name : str
        What to call it in a message.

    Raises
    ------
    MolmisError
        If it breaks the contract, or does what it must not.
    """
    try:
        with opened(source) as quantizer:
            return quantizer.bits, tuple(admit(quantizer))
    except SandboxError as error:
        raise renamed(error, name) from None


def renamed(error: SandboxError, name: str) -> MolmisError:
    """Return what is said of a copy, of the file that was given."""
    return SandboxError(name, error.deed)
