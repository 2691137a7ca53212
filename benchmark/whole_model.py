"""The encoder of a cell, quantized by what its heads are quantized by: embeddings, and what files hold of it.

Heads are trained on the embeddings of the full-precision encoder, as they are published; quantizing the whole
model afterwards changes what goes into them, too. There is one encoder for all runs, so a quantizer that is
calibrated on members of each run has the encoder calibrated on public molecules.

What the quantized encoders make of the records is kept on disk while the cell is measured, so that a stopped
one goes on where it was, and taken away when it is: a file for each quantizer, which nothing asks for again.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchmark.calibration import Public
from benchmark.plan import Cell
from models.encoders.base import Encoder, EncoderState, embed
from models.quantizers import Quantizer


class WholeModel:
    """An encoder that is quantized with the heads.

    Parameters
    ----------
    encoder : Encoder
        Prepared.
    pool, test : sequence of str
        SMILES of the records.
    public : Public
        Molecules that may be looked at.
    device : str
        Where it is computed.
    folder : Path
        Where embeddings are kept on the way; see :func:`quantized_embeddings`.
    """

    def __init__(
        self,
        encoder: Encoder,
        pool: Sequence[str],
        test: Sequence[str],
        public: Public,
        device: str,
        folder: Path,
    ) -> None:
        self._encoder, self._public, self._device, self._folder = encoder, public, device, folder
        self._parts = (pool, test, public.calibration)
        self._quantized: dict[str, tuple[Encoder, EncoderState]] = {}

    def encoder(self, quantizer: Quantizer) -> Encoder:
        """Return the encoder, quantized; once for every quantizer."""
        return self._made(quantizer)[0]

    def state(self, quantizer: Quantizer) -> EncoderState:
        """Return what files hold of the quantized encoder; the same one every time, so it is packed once."""
        return self._made(quantizer)[1]

    def _made(self, quantizer: Quantizer) -> tuple[Encoder, EncoderState]:
        key = quantizer.identity()
        if key not in self._quantized:
            made = self._encoder.quantized(quantizer, self._public.calibration, self._public.norms)
            self._quantized[key] = made, made.state()
        return self._quantized[key]

    def embeddings(self, quantizer: Quantizer) -> tuple[Tensor, Tensor, Tensor]:
        """Return the embeddings of pool, test set and public molecules, shapes (N, d), (M, d) and (n, d)."""
        molecules = [smiles for part in self._parts for smiles in part]
        embedded = embed(self.encoder(quantizer), molecules, self._device, folder=self._folder)
        found = torch.from_numpy(embedded).to(self._device)
        pool, test, public = torch.split(found, [len(part) for part in self._parts])
        return pool, test, public


def quantized_embeddings(cell: Cell) -> Path:
    """Return the folder of the embeddings by the quantized encoders of a cell."""
    return cell.folder / "embeddings"


def forget_embeddings(cell: Cell) -> None:
    """Take the embeddings by the quantized encoders of a cell away, where it has been measured.

    The folder stays: another process may be about to write in it, and makes again what it misses.
    """
    for path in quantized_embeddings(cell).glob("*.safetensors"):
        path.unlink(missing_ok=True)
