"""RDKit 2D descriptors, those that graph encoders are pretrained on: a reference without a network."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoders.base import ENCODERS, Encoder, EncoderState
from models.encoders.descriptor_targets import descriptor_values
from models.encoders.pretraining_molecules import molecule_files, pretraining_smiles
from molecules.cache import file_sha256
from molecules.descriptors import LIMIT, NAMES, descriptors
from molecules.progress import SILENT, Progress

#: Standardised descriptors are clipped to this many standard deviations of the public molecules.
CLIP = 6.0


@ENCODERS.register("rdkit2d")
class Rdkit2d(Encoder):
    """Descriptors, standardised over the public molecules that come with RDKit, never over a task.

    Parameters
    ----------
    molecules : int or None
        Use only the first so many public molecules (for tests); None for all.
    """

    name = "rdkit2d"
    description = f"{len(NAMES)} RDKit descriptors, standardised over public molecules; nothing is learned"

    def __init__(self, molecules: int | None = None) -> None:
        self.molecules = molecules
        self._scale: tuple[Tensor, Tensor] | None = None

    def recipe(self) -> dict[str, object]:
        """Return the descriptors, and the molecules that they are standardised over."""
        return {
            "encoder": self.name,
            "descriptors": [*NAMES, LIMIT],
            "files": [file_sha256(path) for path in molecule_files()],
            "molecules": self.molecules,
            "clip": CLIP,
            "version": 1,
        }

    def seen(self) -> list[str]:
        """Return the molecules that the descriptors are standardised over."""
        return pretraining_smiles(self.molecules)

    def prepare(self, device: str = "cpu", progress: Progress = SILENT) -> None:
        """Compute the descriptors of the public molecules on first use (half a minute)."""
        del device
        self._fitted(progress)

    def _fitted(self, progress: Progress = SILENT) -> tuple[Tensor, Tensor]:
        """Return centre and spread of the descriptors over the public molecules."""
        if self._scale is None:
            values = descriptor_values(self.seen(), progress)
            spread = values.std(0, correction=0)
            # what is constant among the public molecules is taken as it is
            self._scale = values.mean(0), torch.where(spread > 0, spread, 1.0)
        return self._scale

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the standardised descriptors, shape (molecules, descriptors)."""
        centre, spread = (part.numpy() for part in self._fitted(progress))
        standard = (descriptors(smiles, progress).values - centre) / spread
        found: NDArray[np.float32] = standard.clip(-CLIP, CLIP).astype(np.float32)
        return found

    def state(self) -> EncoderState:
        """Return centre and spread of the descriptors: all that is known of the public molecules."""
        centre, spread = self._fitted()
        return EncoderState({"centre": centre, "spread": spread})

    def restore(self, state: EncoderState, device: str | None = None) -> None:
        """Take centre and spread from elsewhere."""
        del device
        kept = dict(state.kept)
        shapes = {name: tuple(value.shape) for name, value in kept.items()}
        if state.layers or shapes != {"centre": (len(NAMES),), "spread": (len(NAMES),)}:
            raise ValueError(f"this is not the scale of {self.name}'s descriptors: {shapes}")
        self._scale = kept["centre"].double(), kept["spread"].double()
