"""The encoders that were trained with a block of heads, quantized: one for every run and snapshot."""

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from models.encoders.objectives import on_device
from models.encoders.tuning import Tuning
from models.quantized_network import Role, quantize_network
from models.quantizers.base import Layer, Quantizer
from models.quantizers.parts import dequantize_in_parts, quantize_in_parts
from models.quantizers.quantized import Quantized
from models.quantizers.zoo import described
from molecules.graphs import GraphBatch


@dataclass(frozen=True)
class QuantizedEncoders:
    """The encoders of a block of runs under one quantizer.

    Attributes
    ----------
    values : mapping of str to Tensor
        Parameters as they are used, by name, leading axes (runs, snapshots).
    published : tuple of mapping of str to Quantized
        For every run, the quantized matrices of the last snapshot, by the name of the parameter; empty where
        encoders are left as they are.
    codes : tuple of tuple of bytes
        For every run and snapshot, a hash of all that tells encoders apart.
    """

    values: Mapping[str, Tensor]
    published: tuple[Mapping[str, Quantized], ...] = ()
    codes: tuple[tuple[bytes, ...], ...] = field(default=(), repr=False)


def unquantized(encoders: Mapping[str, Tensor]) -> QuantizedEncoders:
    """Return encoders that are left as they are: every snapshot is another one."""
    runs, snapshots = next(iter(encoders.values())).shape[:2]
    codes = (tuple(str(place).encode() for place in range(snapshots)),) * runs
    return QuantizedEncoders(encoders, ({},) * runs, codes)


def quantize_encoders(
    tuning: Tuning,
    encoders: Mapping[str, Tensor],
    quantizer: Quantizer,
    calibration: Callable[[int], GraphBatch] | None = None,
) -> QuantizedEncoders:
    """Quantize every encoder of a block, by the policy of ``models.quantized_network``.

    Parameters
    ----------
    tuning : Tuning
        The network whose parameters they are.
    encoders : mapping of str to Tensor
        Parameters by name, leading axes (runs, snapshots).
    quantizer : Quantizer
        Applied to each matrix by itself.
    calibration : callable or None
        Returns the molecules that the encoders of a run (by its place) are calibrated on; needed for a
        quantizer that looks at some.

    Raises
    ------
    ValueError
        If the quantizer needs calibration records and there are none.
    """
    if quantizer.calibration != "none":
        if calibration is None:
            raise ValueError(f"{described(quantizer)} needs {quantizer.calibration} calibration records")
        return _one_by_one(tuning, encoders, quantizer, calibration)
    names = [name for name, role in tuning.roles.items() if role is Role.QUANTIZED]
    values, layers = dict(encoders), {}
    lead = next(iter(encoders.values())).shape[:2]
    hashes = [[hashlib.sha256() for _ in range(lead[1])] for _ in range(lead[0])]
    for place, name in enumerate(names):
        parameter = encoders[name]
        matrices = parameter.reshape(*lead, -1, parameter.shape[-1])
        quantized = quantize_in_parts(quantizer, matrices, Layer(place, len(names) + 1, None))
        values[name] = dequantize_in_parts(quantized).reshape(parameter.shape)
        layers[name] = quantized.at((slice(None), -1))
        codes = quantized.codes.cpu().numpy()
        for run, row in enumerate(hashes):
            for snapshot, digest in enumerate(row):
                digest.update(codes[run, snapshot].tobytes())
    published = tuple({name: layer.at(run) for name, layer in layers.items()} for run in range(lead[0]))
    return QuantizedEncoders(values, published, tuple(tuple(d.digest() for d in row) for row in hashes))


def _one_by_one(
    tuning: Tuning,
    encoders: Mapping[str, Tensor],
    quantizer: Quantizer,
    calibration: Callable[[int], GraphBatch],
) -> QuantizedEncoders:
    """Quantize encoders by themselves: what reaches a matrix is made by the ones before it."""
    runs, snapshots = next(iter(encoders.values())).shape[:2]
    values = {name: parameter.clone() for name, parameter in encoders.items()}
    network = copy.deepcopy(tuning.network)
    parameters = dict(network.named_parameters())
    published, codes = [], []
    for run in range(runs):
        # encoders are read and written on the CPU, and run where the network is
        batch, row = on_device(calibration(run), tuning.device), []
        for snapshot in range(snapshots):
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(encoders[name][run, snapshot])
            layers = quantize_network(network, quantizer, partial(network, batch))
            for name in layers:
                values[name][run, snapshot] = parameters[name].detach().cpu()
            row.append(hashlib.sha256(b"".join(_bytes(layer) for layer in layers.values())).digest())
        published.append(layers)
        codes.append(tuple(row))
    return QuantizedEncoders(values, tuple(published), tuple(codes))


def _bytes(layer: Quantized) -> bytes:
    found: bytes = layer.codes.cpu().numpy().tobytes()
    return found
