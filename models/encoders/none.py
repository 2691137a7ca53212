"""No encoder: for tasks whose records are vectors already."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.encoders.base import ENCODERS, Encoder
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import Inputs


@ENCODERS.register("none")
class NoEncoder(Encoder):
    """Give the head the vectors as they are; molecules it cannot take."""

    name = "none"
    description = "none: for tasks of vectors (gaussian-modes), which the head is given as they are"
    inputs = Inputs.VECTORS

    def recipe(self) -> dict[str, object]:
        """Return the name: there is nothing else."""
        return {"encoder": self.name}

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Refuse."""
        del progress
        raise MolmisError(f"the encoder {self.name} embeds no molecules ({len(smiles)} were given)")
