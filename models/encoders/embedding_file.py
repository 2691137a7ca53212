"""An encoder whose embeddings were computed elsewhere and are looked up in a file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.base import Encoder
from models.encoders.declaration import Declared, declaration_of
from models.encoders.kept_tables import kept_embeddings
from molecules.errors import DataError
from molecules.progress import SILENT, Progress
from tasks.task import plain_name

#: Spreads of the embeddings outside these are told: heads are trained with rates for numbers around 1.
_USUAL_SPREAD = (0.05, 20.0)


class EmbeddingFile(Declared, Encoder):
    """Vectors of a file, as they are.

    They are not standardised: that would take them from the molecules of the task.

    Parameters
    ----------
    path : Path
        See :mod:`models.encoders.embedding_table`.

    Raises
    ------
    DataError
        If the file cannot be used.
    """

    listed = True
    description = "embeddings of a file"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sha256, self.table = kept_embeddings(path)
        self.declaration = declaration_of(path)
        self.name = f"file-{plain_name(path.name.split('.')[0])}"

    def recipe(self) -> dict[str, object]:
        """Return the hash of the file, and what is declared of it."""
        told = {
            "encoder": "file of embeddings",
            "sha256": self._sha256,
            "declared": self.declaration.recipe(),
        }
        return {**told, "version": 1}

    def columns(self) -> tuple[str, ...]:
        """Return the names of the dimensions in the file."""
        return self.table.columns

    def options(self) -> dict[str, str]:
        """Return the name of the file, without its place on this machine."""
        return {"outside": self.path.name, "listed": "yes"}

    def prepare(self, device: str = "cpu", progress: Progress = SILENT) -> None:
        """Say what a reader must know of the numbers."""
        del device
        spread, (low, high) = float(np.median(self.table.vectors.std(0))), _USUAL_SPREAD
        if self.table.unreadable:
            progress.note(f"{self.path}: {self.table.unreadable} rows name no molecule and are left out")
        if len(self.table.vectors) > 1 and not low <= spread <= high:
            progress.note(
                f"{self.path}: the numbers of a typical dimension spread by {spread:.3g}; heads learn best "
                "from numbers that spread by about 1, and they are given these as they are"
            )

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the vectors of molecules, shape (molecules, dimensions).

        Raises
        ------
        DataError
            If some are not in the file.
        """
        del progress
        rows = self.table.rows(smiles)
        missing = [text for text, row in zip(smiles, rows, strict=True) if row is None]
        if missing:
            raise DataError(
                f"{self.path} has no embedding for {len(missing):,} of {len(smiles):,} molecules, such as "
                f"{', '.join(missing[:3])}; molecules that are not in it cannot be embedded: add them to it, "
                f"by {'InChIKey' if self.table.inchikeys else 'SMILES, however written'}"
            )
        return self.table.vectors[[row for row in rows if row is not None]]
