"""A block of trained runs under one quantizer: what its models say of records, and what they take.

The models are heads on the embeddings of one frozen encoder, quantized or not, or heads with an encoder each
that was trained with them. Whoever measures need not know which.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.cell_data import CellData, to_device
from benchmark.tuned_data import Part, TunedData
from models.encoders.base import EncoderState
from models.heads import Bank
from models.published import file_sizes
from models.quantized_encoders import QuantizedEncoders, quantize_encoders, unquantized
from models.quantized_heads import quantize_heads
from models.quantizers import Quantizer
from molecules.graphs import GraphBatch

#: Molecules embedded at once by an encoder of a run.
EMBED_BLOCK = 512


class QuantizedBlock:
    """The models of a block.

    Parameters
    ----------
    bank : Bank
        The trained runs.
    quantizer : Quantizer
        What they are quantized by.
    data : CellData
        Of the cell.
    members : ndarray of bool, shape (runs, pool), or None
        What the runs were trained on; those of the cell if None.

    Attributes
    ----------
    data : CellData
        As the models are given it.
    heads : QuantizedHeads
        The quantized heads, on the CPU.
    """

    def __init__(
        self, bank: Bank, quantizer: Quantizer, data: CellData, members: NDArray[np.bool_] | None = None
    ) -> None:
        self.bank, self.data, self._quantizer = bank, data.under(quantizer), quantizer
        self._members = data.members[bank.runs.start : bank.runs.stop] if members is None else members
        self._own = None if data.tuned is None else self._own_encoders(data.tuned)
        self.heads = quantize_heads(bank.snapshots, quantizer, self._calibration())

    def _own_encoders(self, tuned: TunedData) -> tuple[TunedData, QuantizedEncoders]:
        """Return the molecules, and the encoders that were trained with the heads, quantized if they are."""
        if not tuned.quantized:
            return tuned, unquantized(self.bank.encoders)
        shown = partial(self._shown, tuned)
        return tuned, quantize_encoders(tuned.tuning, self.bank.encoders, self._quantizer, shown)

    def _shown(self, tuned: TunedData, place: int) -> GraphBatch:
        """Return the molecules that the models of a run are calibrated on."""
        return tuned.calibration(self._members[place] if self._quantizer.calibration == "training" else None)

    def _calibration(self) -> Tensor | None:
        """Return what the heads are calibrated on: what the encoders, quantized, make of the records."""
        if self._own is None or self._quantizer.calibration == "none":
            return self.data.calibration(self._quantizer, self._members)
        tuned, encoders = self._own
        found = []
        for place in range(len(self._members)):
            own = {name: values[place] for name, values in encoders.values.items()}
            with torch.no_grad():
                found.append(tuned.embedded(own, self._shown(tuned, place)).cpu())
        return torch.stack(found)

    def candidates(self, place: int) -> list[int]:
        """Return the snapshots that are the distinct candidates of a run; see ``distinct_epochs``."""
        return self.heads.distinct_epochs(place, None if self._own is None else self._own[1].codes[place])

    def chosen(self, models: Any) -> Callable[[Part, Tensor | slice], Tensor]:
        """Return what tells the outputs of some models, as :meth:`outputs` does, for records of a part."""
        device = self.data.pool.device
        heads = to_device(self.heads.at(models), device)
        if self._own is None:

            def heard(part: Part, records: Tensor | slice) -> Tensor:
                inputs = self.data.inputs(part)
                return heads(
                    inputs[records] if isinstance(records, slice) else inputs.index_select(0, records)
                )

            return heard
        tuned, encoders = self._own
        own = {name: values[models].to(device) for name, values in encoders.values.items()}

        def said(part: Part, records: Tensor | slice) -> Tensor:
            places = np.arange(len(tuned.places[part]))
            places = places[records if isinstance(records, slice) else records.cpu().numpy()]
            with torch.no_grad():
                blocks = [heads(tuned.embedded(own, tuned.batch(part, block))) for block in _blocks(places)]
            return torch.cat(blocks, dim=1)

        return said

    def outputs(self, models: Any, part: Part, records: Tensor | slice = slice(None)) -> Tensor:
        """Return what some models say of some records.

        Parameters
        ----------
        models : index
            Of the axes (runs, snapshots); it leaves one axis, H models.
        part : Part
            Which records.
        records : Tensor of int, shape (m,), or slice
            Which of the part.

        Returns
        -------
        Tensor, shape (H, m, targets)
            Logits in classification; standardised predictions in regression.
        """
        return self.chosen(models)(part, records)

    def states(self) -> Sequence[EncoderState | None]:
        """Return what goes into the file of every run beside the head; what all runs share stands once."""
        if self._own is None:
            return (self.data.encoder,)
        tuned, encoders = self._own
        return [
            tuned.tuning.state({name: values[place, -1] for name, values in encoders.values.items()}, layers)
            for place, layers in enumerate(encoders.published)
        ]

    def sizes(self) -> dict[str, NDArray[np.generic]]:
        """Return what the published model of every run takes: that of its heads, and ``packed_bytes``."""
        data, states = self.data, self.states()
        layers = [() if state is None else tuple(state.layers.values()) for state in states]
        sizes: dict[str, NDArray[np.generic]] = {**self.heads.sizes(layers, data.encoder_parameters)}
        sizes["packed_bytes"] = file_sizes(self.heads, self.bank, self._quantizer, data.origin, states)
        return sizes


def _blocks(places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Divide records into those that are embedded at once."""
    return np.split(places, range(EMBED_BLOCK, len(places), EMBED_BLOCK))
