"""Records that data-dependent quantizers look at: public ones, or members of each run."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.plan import Cell
from benchmark.scope import Scope
from models.encoders.base import embed
from models.encoders.pretraining_molecules import pretraining_smiles
from models.quantizers.base import Calibration
from molecules.errors import MolmisError
from molecules.progress import SILENT, Progress
from molecules.streams import stream

#: Records that a quantizer is calibrated on.
RECORDS = 128
#: Molecules that statistics of normalisation are taken of anew.
NORM_RECORDS = 2048
#: What a reader of the figures must know, by the records that were read.
_CAVEATS = {
    "public": f"calibrated on {RECORDS} public records, none of the task",
    "training": f"calibrated on members of each run, {RECORDS} at most, which it reads again and may tell of",
}


def caveats(calibration: Calibration, shared: bool) -> list[str]:
    """Return what a reader of the figures of a quantizer must know of the records that it was shown.

    Parameters
    ----------
    calibration : {"none", "public", "training"}
        What the quantizer declares.
    shared : bool
        Whether it quantizes an encoder that all runs share, too.
    """
    if calibration == "none":
        return []
    if calibration == "training" and shared:
        return [f"{_CAVEATS[calibration]} (the encoder, of which there is one, on public molecules)"]
    return [_CAVEATS[calibration]]


@dataclass(frozen=True)
class Public:
    """Molecules that may be looked at without a look at the task.

    Attributes
    ----------
    calibration : tuple of str
        What quantizers are calibrated on.
    norms : tuple of str
        What statistics of normalisation are taken of anew.
    """

    calibration: tuple[str, ...] = ()
    norms: tuple[str, ...] = ()


def public_molecules(cell: Cell) -> Public:
    """Return the public molecules of a cell, as far as something needs them.

    Molecules that encoders are pretrained on and that are no records of the task.

    Raises
    ------
    MolmisError
        If there are too few.
    """
    calibrated, renormed = _calibrated(cell), cell.protocol.scope is Scope.MODEL_NORMS
    if not calibrated and not renormed:
        return Public()
    known = set(cell.records.smiles)
    others = [smiles for smiles in pretraining_smiles() if smiles not in known]
    if len(others) < RECORDS:
        raise MolmisError(f"{len(others)} public molecules are too few to calibrate on; it takes {RECORDS}")
    order = [others[place] for place in stream(0, "calibration").permutation(len(others))]
    return Public(tuple(order[:RECORDS]) * calibrated, tuple(order[:NORM_RECORDS]) * renormed)


def _calibrated(cell: Cell) -> bool:
    """Whether a quantizer of the cell is calibrated on public records."""
    # an encoder that all runs share is calibrated on no members
    reading = ("public", "training") if cell.protocol.shared_encoder_quantized else ("public",)
    return any(quantizer.calibration in reading for quantizer in cell.quantizers.values())


def public_records(cell: Cell, public: Public, progress: Progress = SILENT) -> Tensor | None:
    """Return the embeddings of the molecules to calibrate on, shape (RECORDS, d); None if there are none."""
    if not public.calibration:
        return None
    return torch.from_numpy(embed(cell.encoder, public.calibration, cell.device, progress)).to(cell.device)


def fresh_records(cell: Cell) -> Tensor | None:
    """Return records of a synthetic task to calibrate on, shape (RECORDS, d); None if none are needed."""
    if cell.records.vectors is None or not _calibrated(cell):
        return None
    return torch.from_numpy(cell.records.vectors.fresh.inputs[:RECORDS]).to(cell.device)


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
