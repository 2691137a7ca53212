"""Records that data-dependent quantizers look at: public ones, or members of each run."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.plan import Cell
from models.encoders.base import embed
from models.encoders.pretraining import pretraining_smiles
from models.quantizers.base import Calibration
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from molecules.streams import stream

#: Records that a quantizer is calibrated on.
RECORDS = 128
#: What a reader of the figures must know, by the records that were read.
CAVEATS = {
    "public": f"calibrated on {RECORDS} public records, none of the task",
    "training": f"calibrated on {RECORDS} members of each run, which it reads again and may tell of",
}


def public_records(cell: Cell, progress: Progress = SILENT) -> Tensor | None:
    """Return the embeddings of public calibration records, shape (RECORDS, d); None if nothing needs them.

    Molecules that the encoder was pretrained on and that are no records of the task; on synthetic tasks,
    fresh records.

    Raises
    ------
    MolmisError
        If there are too few.
    """
    if not any(quantizer.calibration == "public" for quantizer in cell.quantizers.values()):
        return None
    if cell.records.vectors is not None:
        return torch.from_numpy(cell.records.vectors.fresh.inputs[:RECORDS]).to(cell.device)
    known = set(cell.records.smiles)
    others = [smiles for smiles in pretraining_smiles() if smiles not in known]
    if len(others) < RECORDS:
        raise MolmisError(f"{len(others)} public molecules are too few to calibrate on; it takes {RECORDS}")
    chosen = stream(0, "calibration").permutation(len(others))[:RECORDS]
    embedded = embed(cell.encoder, [others[place] for place in chosen], cell.device, progress)
    return torch.from_numpy(embedded).to(cell.device)


def calibration_records(
    calibration: Calibration, public: Tensor | None, pool: Tensor, members: NDArray[np.bool_]
) -> Tensor | None:
    """Return what a quantizer of some runs is calibrated on.

    Parameters
    ----------
    calibration : {"none", "public", "training"}
        What the quantizer declares.
    public : Tensor, shape (n, d), or None
        Public records.
    pool : Tensor, shape (N, d)
        Records that members are drawn from.
    members : ndarray of bool, shape (runs, N)
        Of these runs.

    Returns
    -------
    Tensor, shape (n, d) or (runs, n, d), or None
        None for a quantizer that needs none.
    """
    if calibration == "none":
        return None
    if calibration == "public":
        return public
    places = np.stack([np.flatnonzero(own)[:RECORDS] for own in members])
    return pool[torch.from_numpy(places).to(pool.device)]
