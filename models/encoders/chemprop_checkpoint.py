"""A message-passing network from a local file of ``chemprop`` 2."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.encoders.checkpoint_folder import Checkpoint
from molecules.errors import DataError

_ENDINGS = (".ckpt", ".pt")


class Chemprop(Checkpoint):
    """What the network makes of a molecule before its predictor.

    Such a network was usually fitted on labels: say in its declaration on which.

    Parameters
    ----------
    path : Path
        A model (``.pt``) or checkpoint (``.ckpt``), or a folder that holds one.
    """

    prefix = "chemprop"
    library = "chemprop"
    description = "a local chemprop checkpoint: the vector of a molecule before the predictor"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in _ENDINGS)
        if len(files) != 1:
            raise DataError(f"{path} holds {len(files)} files of {' or '.join(_ENDINGS)}; name one of them")
        self._file = files[0]
        self._model: Any = None

    @property
    def parameters(self) -> int:
        """Numbers that the network before the predictor learned."""
        self._load()
        return sum(parameter.numel() for parameter in self._model.message_passing.parameters())

    def _load(self) -> None:
        if self._model is not None:
            return
        try:
            from chemprop.models import MPNN
        except ImportError as error:
            raise self.missing(error) from None
        load = MPNN.load_from_checkpoint if self._file.suffix == ".ckpt" else MPNN.load_from_file
        try:
            model = load(self._file, map_location="cpu")
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise self.unusable(error) from None
        self._model = model.to(self._device).eval()

    def _embed(self, smiles: list[str]) -> NDArray[np.float32]:
        from chemprop.data import MoleculeDatapoint, MoleculeDataset, build_dataloader

        points = MoleculeDataset([MoleculeDatapoint.from_smi(text) for text in smiles])
        (batch,) = build_dataloader(points, batch_size=len(smiles), num_workers=0, shuffle=False)
        batch.bmg.to(self._device)
        with torch.inference_mode():
            found = self._model.encoding(batch.bmg, batch.V_d, batch.X_d, 0)
        embedding: NDArray[np.float32] = found.float().cpu().numpy()
        return embedding
