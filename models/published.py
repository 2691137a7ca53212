"""The head of a run as it would be published: the last epoch, quantized, as an artefact."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.artefact import Artefact, Origin, pack
from models.encoders.base import EncoderState
from models.heads import Bank
from models.quantized_heads import QuantizedHeads
from models.quantizers import Quantizer
from models.quantizers.zoo import described


def published_head(
    quantized: QuantizedHeads,
    bank: Bank,
    place: int,
    quantizer: Quantizer,
    origin: Origin,
    run: str = "",
    encoder: EncoderState | None = None,
) -> Artefact:
    """Return the published head of one run; its probe is zero until somebody has embedded it.

    Parameters
    ----------
    quantized : QuantizedHeads
        A block of runs, quantized.
    bank : Bank
        The block.
    place : int
        Which run of the block.
    quantizer : Quantizer
        What it was quantized by.
    origin : Origin
        What the heads are of.
    run : str
        What the file says which run it is; the number of the run if empty.
    encoder : EncoderState or None
        What goes into the file beside the head.
    """
    return Artefact(
        origin,
        described(quantizer),
        run or str(bank.runs[place]),
        tuple(layer.at((place, -1)) for layer in quantized.layers),
        tuple(bias[place, -1] for bias in quantized.biases),
        bank.centre[place],
        bank.spread[place],
        torch.zeros(len(origin.probe), len(origin.targets)),
        encoder,
    )


def file_sizes(
    quantized: QuantizedHeads,
    bank: Bank,
    quantizer: Quantizer,
    origin: Origin,
    encoders: Sequence[EncoderState | None] = (None,),
) -> NDArray[np.int64]:
    """Return the bytes of the file of the published head of every run, shape (runs,).

    The files are made, in memory: their header is counted, too, and the encoder if it comes with them.

    Parameters
    ----------
    quantized, bank, quantizer, origin :
        As of :func:`published_head`.
    encoders : sequence of EncoderState or None
        What goes into the file of every run beside the head; one that all runs share stands once.
    """
    runs = len(bank.runs)
    beside = [*encoders] * (runs if len(encoders) == 1 else 1)
    heads = (
        published_head(quantized, bank, place, quantizer, origin, "", encoder)
        for place, encoder in enumerate(beside)
    )
    return np.array([len(pack(head)) for head in heads], dtype=np.int64)
