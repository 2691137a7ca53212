"""The reference encoder: ECFP count fingerprints, no learning at all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.encoders.base import ENCODERS, Encoder
from molecules.progress import SILENT, Progress


@ENCODERS.register("ecfp")
class Ecfp(Encoder):
    """Logarithm of folded ECFP4 counts.

    ``log(1 + count)`` of every circular substructure up to radius 2, folded to 1,024 bits (Rogers & Hahn,
    J. Chem. Inf. Model. 2010, 50, 742). The logarithm keeps the large counts of long chains from ruling the
    head.
    """

    name = "ecfp"
    description = "ECFP4 count fingerprint, 1,024 bits, log(1 + count); the reference without learning"
    bits = 1024
    radius = 2

    def recipe(self) -> dict[str, object]:
        """Return radius, bits and transform."""
        return {
            "encoder": self.name,
            "radius": self.radius,
            "bits": self.bits,
            "transform": "log1p",
            "version": 1,
        }

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the fingerprints, shape (molecules, 1024)."""
        from molecules.fingerprints import morgan_counts

        return np.log1p(morgan_counts(smiles, bits=self.bits, radius=self.radius, progress=progress))
