"""Quantized heads of a whole bank: their candidates, and how much of them is quantized."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.heads import Heads
from models.quantizers import Quantized, Quantizer
from models.quantizers.base import Layer
from models.quantizers.measures import entropy_bits, zeros
from models.quantizers.parts import dequantize_in_parts, quantize_in_parts


@dataclass(frozen=True)
class QuantizedHeads:
    """Every snapshot of a block of runs, quantized.

    Attributes
    ----------
    layers : tuple of Quantized
        Codes, levels and scales of each weight matrix, leading axes (runs, epochs).
    biases : tuple of Tensor
        As they were, leading axes (runs, epochs).
    bits : float
        Nominal bits per quantized weight.
    """

    layers: tuple[Quantized, ...]
    biases: tuple[Tensor, ...]
    bits: float
    #: The run that was asked for last: a race asks for the same again and again.
    _run: dict[int, Heads] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def heads(self) -> Heads:
        """Dequantized float32 weights of all runs, leading axes (runs, epochs); biases as they were."""
        return Heads(tuple(map(dequantize_in_parts, self.layers)), self.biases)

    def at(self, index: Any) -> Heads:
        """Return some of the dequantized heads, as ``heads[index]`` does, without all of them.

        What a run needs then stays in a core's cache; that of a whole block would go through the memory.

        Parameters
        ----------
        index : index
            Of the axes (runs, epochs).
        """
        if isinstance(index, tuple) and isinstance(index[0], int) and isinstance(index[1], np.ndarray):
            run, chosen = index
            if run not in self._run:
                self._run.clear()
                self._run[run] = self._dequantized(run)
            whole = self._run[run]
            if np.array_equal(chosen, np.arange(len(whole.biases[0]))):
                return whole
            places = torch.from_numpy(chosen)
            weights = tuple(weight.index_select(0, places) for weight in whole.weights)
            return Heads(weights, tuple(bias.index_select(0, places) for bias in whole.biases))
        return self._dequantized(index)

    def _dequantized(self, index: Any) -> Heads:
        if "heads" in self.__dict__:  # there already, as after a calibration
            return self.heads[index]
        weights = tuple(dequantize_in_parts(layer.at(index)) for layer in self.layers)
        return Heads(weights, tuple(bias[index] for bias in self.biases))

    def distinct_epochs(self, run: int, beside: Sequence[bytes] | None = None) -> list[int]:
        """Return the epochs of the distinct candidates of a run, ascending.

        Two snapshots with equal codes in every layer are one candidate: a coarse quantizer stops moving
        late in training, and the rest of the difference (scales, float32 biases) is not a choice among the
        quantized weights. The latest of equal snapshots stands for them.

        Parameters
        ----------
        run : int
            Which run of the block.
        beside : sequence of bytes or None
            What else tells its snapshots apart, one of each: the codes of encoders that were trained, too.
        """
        codes = [layer.codes[run].flatten(1).cpu().numpy() for layer in self.layers]
        marks = [mark.tolist() for mark in map(_marks, codes)]
        alike = Counter(zip(*marks, strict=True))
        latest: dict[object, int] = {}
        for epoch, mark in enumerate(zip(*marks, strict=True)):
            # most snapshots are told apart by their marks, and the bytes of few are read
            own = b"".join(layer[epoch].tobytes() for layer in codes) if alike[mark] > 1 else b""
            latest[mark, own, beside[epoch] if beside is not None else b""] = epoch
        return sorted(latest.values())

    def sizes(
        self, encoders: Sequence[Sequence[Quantized]] = ((),), encoder_parameters: int = 0
    ) -> dict[str, NDArray[np.float64]]:
        """Return what the published head (last epoch) of every run takes, each of shape (runs,).

        Parameters
        ----------
        encoders : sequence of sequence of Quantized
            Matrices (out, in) of the encoder of every run, or of the one of all runs, that is quantized as
            the heads are; none of an encoder that is not.
        encoder_parameters : int
            Numbers that the encoder learned, quantized or not.

        Returns
        -------
        dict of str to ndarray
            ``bits`` (nominal, per quantized weight), ``entropy_bits`` (per quantized weight), ``zeros``
            (share of the quantized weights), ``coverage`` (quantized share of the parameters of the head, and
            of those of the encoder if it is quantized, too), ``model_coverage`` (quantized share of those of
            both in any case). Biases and normalisation stay float32. What a file takes is told by
            :func:`models.published.file_sizes`.
        """
        final = [layer.at((slice(None), -1)) for layer in self.layers]
        runs = len(final[0].codes)
        counts = torch.tensor([layer.weights for layer in (*final, *encoders[0])]).double()

        def mean_over_weights(measure: Callable[[Quantized], Tensor]) -> NDArray[np.float64]:
            heads = torch.stack([measure(layer).double() for layer in final], -1)
            told = [[float(measure(layer)) for layer in encoder] for encoder in encoders]
            values = torch.cat([heads, torch.tensor(told, dtype=torch.float64).expand(runs, -1)], 1)
            mean: NDArray[np.float64] = (values @ counts / counts.sum()).numpy()
            return mean

        quantized = 0.0 if final[0].alphabet is None else float(counts.sum())
        own = self.at((0, -1)).parameters
        whole = own + encoder_parameters
        return {
            "bits": np.full(runs, float(self.bits)),
            "entropy_bits": mean_over_weights(entropy_bits),
            "zeros": mean_over_weights(zeros),
            "coverage": np.full(runs, quantized / (whole if encoders[0] else own)),
            "model_coverage": np.full(runs, quantized / whole),
        }


def _marks(codes: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Return a number of every row, the same for rows that are equal: their 64-bit words, added up.

    Bytes that fill no word are left out, so equal numbers alone do not make rows equal.
    """
    rows = np.ascontiguousarray(codes).view(np.uint8)
    words = rows[:, : rows.shape[1] // 8 * 8].copy() if rows.shape[1] % 8 else rows
    return np.asarray(words.view(np.uint64).sum(1, dtype=np.uint64))


def quantize_heads(snapshots: Heads, quantizer: Quantizer, records: Tensor | None = None) -> QuantizedHeads:
    """Quantize every weight matrix of every snapshot, layer by layer; biases stay float32.

    Parameters
    ----------
    snapshots : Heads
        Leading axes (runs, epochs).
    quantizer : Quantizer
        Applied to each matrix by itself.
    records : Tensor of float32, shape (n, d), (runs, n, d) or (runs, epochs, n, d), or None
        Embeddings of the calibration records, for quantizers that look at some.

    Raises
    ------
    ValueError
        If the quantizer needs calibration records and there are none.
    """
    inputs: Tensor | None = None
    if quantizer.calibration != "none":
        if records is None:
            raise ValueError(f"{quantizer!r} needs {quantizer.calibration} calibration records")
        # banks lie on the CPU, embeddings of records where they were computed
        records = records.to(snapshots.weights[0].device)
        inputs = records[:, None] if records.dim() == 3 else records
    layers: list[Quantized] = []
    values: list[Tensor] = []
    count = len(snapshots.weights)
    for index, (weight, bias) in enumerate(zip(snapshots.weights, snapshots.biases, strict=True)):
        if inputs is not None:
            inputs = inputs.expand(*weight.shape[:-2], *inputs.shape[-2:])
        layers.append(quantize_in_parts(quantizer, weight, Layer(index, count, inputs)))
        if inputs is not None:  # what the next layer is given is made by the quantized ones
            values.append(dequantize_in_parts(layers[-1]))
            inputs = torch.relu(inputs @ values[-1].mT + bias[..., None, :])
    made = QuantizedHeads(tuple(layers), snapshots.biases, quantizer.bits)
    if values:
        made.__dict__["heads"] = Heads(tuple(values), snapshots.biases)
    return made
