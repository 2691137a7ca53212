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
    library, module = "chemprop", "chemprop.models"
    description = "a local chemprop checkpoint: the vector of a molecule before the predictor"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in _ENDINGS)
        if len(files) != 1:
            raise DataError(f"{path} holds {len(files)} files of {' or '.join(_ENDINGS)}; name one of them")
        self._file = files[0]

    def _read(self, library: Any) -> torch.nn.Module:
        kind = library.MPNN
        load = kind.load_from_checkpoint if self._file.suffix == ".ckpt" else kind.load_from_file
        model: torch.nn.Module = load(self._file, map_location="cpu")
        return model

    def _learned(self, model: Any) -> torch.nn.Module:
        found: torch.nn.Module = model.message_passing
        return found

    def _embed(self, model: Any, smiles: list[str]) -> NDArray[np.float32]:
        from chemprop.data import MoleculeDatapoint, MoleculeDataset, build_dataloader

        points = MoleculeDataset([MoleculeDatapoint.from_smi(text) for text in smiles])
        (batch,) = build_dataloader(points, batch_size=len(smiles), num_workers=0, shuffle=False)
        batch.bmg.to(self._device)
        with torch.inference_mode():
            found = model.encoding(batch.bmg, batch.V_d, batch.X_d, 0)
        embedding: NDArray[np.float32] = found.float().cpu().numpy()
        return embedding
