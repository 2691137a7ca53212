"""The encoder of a cell, quantized by what its heads are quantized by: embeddings, and what files hold of it.

Heads are trained on the embeddings of the full-precision encoder, as they are published; quantizing the whole
model afterwards changes what goes into them, too. There is one encoder for all runs, so a quantizer that is
calibrated on members of each run has the encoder calibrated on public molecules.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.calibration import Public
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
    """

    def __init__(
        self, encoder: Encoder, pool: Sequence[str], test: Sequence[str], public: Public, device: str
    ) -> None:
        self._encoder, self._public, self._device = encoder, public, device
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
        found = torch.from_numpy(embed(self.encoder(quantizer), molecules, self._device)).to(self._device)
        pool, test, public = torch.split(found, [len(part) for part in self._parts])
        return pool, test, public
