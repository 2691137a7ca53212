"""A quantized head as a file: bit-packed codes, what they stand for, and what the head is of.

``pack`` and ``unpack`` are inverse to one another, bit by bit. Of every weight matrix ``i`` the file holds
codes and what belongs to them (see :mod:`models.stored_layers`), and ``i.bias`` in float32. Between layers
there is a ReLU. An encoder may come with it: ``encoder.NAME`` of every parameter that is as it was, and codes
and what belongs to them of those that are quantized. ``centre`` and ``spread`` bring a prediction to the
label's unit. ``probe`` holds the outputs for a few molecules everybody knows, so that a reader notices an
encoder that is not the one the head was trained on.
"""

import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.artefact_file import file_bytes, read_file
from models.encoders.base import EncoderState
from models.heads import Heads
from models.quantizers.quantized import Quantized
from models.stored_layers import check_memory, put_together, same_bits, take_apart
from molecules.cache import atomic_write
from molecules.errors import DataError
from tasks.task import Inputs, Kind

#: Raised when files of before can no longer be read.
FORMAT = 1
#: Molecules of the probe: ethanol, aspirin, caffeine, paracetamol.
PROBE = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CC(=O)Nc1ccc(O)cc1")
#: What parts that do not belong together raise, wherever it is noticed.
_WRONG = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError)
#: Characters kept for the version, so that the size of a file does not depend on it.
_VERSION_WIDTH = 16
#: What names of the tensors of an encoder begin with.
_ENCODER = "encoder."


@cache
def _version() -> str:
    """Return the version of this package; the files of all runs of a block ask for it."""
    return importlib.metadata.version("molmis")


@dataclass(frozen=True)
class Origin:
    """What a head is of.

    Attributes
    ----------
    task : str
        Name of the task.
    kind : Kind
        What its labels are.
    targets : tuple of str
        Names of the labels.
    encoder, encoder_key : str
        Name of the encoder, and the hash of its recipe.
    inputs : Inputs
        What the encoder takes.
    options : tuple of pairs of str
        What the encoder takes beside its name; nothing for the usual one.
    scope : str
        What was quantized: ``head``, ``model``, or ``model-norms``.
    trained_encoder : bool
        Whether the encoder was trained with the head, so that it followed the labels, too.
    """

    task: str = "unnamed"
    kind: Kind = Kind.REGRESSION
    targets: tuple[str, ...] = ("label",)
    encoder: str = "none"
    encoder_key: str = ""
    inputs: Inputs = Inputs.VECTORS
    options: tuple[tuple[str, str], ...] = ()
    scope: str = "head"
    trained_encoder: bool = False

    @property
    def probe(self) -> tuple[str, ...]:
        """SMILES of the probe: none where the inputs are vectors, or molecules of a list."""
        return PROBE if self.inputs is Inputs.MOLECULES and "listed" not in dict(self.options) else ()


@dataclass(frozen=True, eq=False)
class Artefact:
    """A quantized head, and all that is needed to use it.

    Attributes
    ----------
    origin : Origin
        What it is of.
    quantizer : str
        Name and printable specification of the quantizer.
    run : str
        Which run of the bank, or ``all`` for a head trained on all records.
    layers : tuple of Quantized
        One matrix (out, in) each, without leading axes.
    biases : tuple of Tensor of float32, shape (out,)
        One a layer.
    centre, spread : Tensor of float32, shape (targets,)
        What outputs are shifted by and multiplied with, in regression.
    probe : Tensor of float32, shape (molecules of the probe, targets)
        Outputs for them.
    encoder : EncoderState or None
        What the encoder learned, quantized or as it was; None if it is not in the file.
    version : str
        Of this package, when the file was written.
    """

    origin: Origin
    quantizer: str
    run: str
    layers: tuple[Quantized, ...]
    biases: tuple[Tensor, ...]
    centre: Tensor
    spread: Tensor
    probe: Tensor
    encoder: EncoderState | None = None
    version: str = field(default_factory=_version)

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return self.layers[0].shape[1]

    def heads(self) -> Heads:
        """Return the float32 head, with one leading axis of length 1."""
        weights = tuple(layer.dequantize()[None] for layer in self.layers)
        return Heads(weights, tuple(bias[None] for bias in self.biases))

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return logits, or predictions in the label's unit.

        Parameters
        ----------
        inputs : Tensor of float32, shape (records, dimensions)
            Embeddings.

        Returns
        -------
        Tensor of float32, shape (records, targets)
        """
        return self.heads()(inputs)[0] * self.spread + self.centre


def pack(artefact: Artefact) -> bytes:
    """Return the content of the file of a quantized head.

    Raises
    ------
    ValueError
        If a layer has leading axes, or says of itself what cannot be written.
    """
    tensors = {"centre": artefact.centre, "spread": artefact.spread, "probe": artefact.probe}
    layers = []
    for place, (layer, bias) in enumerate(zip(artefact.layers, artefact.biases, strict=True)):
        tensors[f"{place}.bias"] = bias
        layers.append(take_apart(place, layer, tensors, range(place)))
    origin = artefact.origin
    metadata = {
        "format": str(FORMAT),
        "molmis": artefact.version.ljust(_VERSION_WIDTH),
        "task": origin.task,
        "kind": origin.kind.value,
        "targets": _text(origin.targets),
        "encoder": origin.encoder,
        "encoder_key": origin.encoder_key,
        "inputs": origin.inputs.value,
        "quantized": origin.scope,
        "quantizer": artefact.quantizer,
        "run": artefact.run,
        "layers": _text(layers),
    }
    if origin.options:
        metadata["encoder_options"] = _text(dict(origin.options))
    if origin.trained_encoder:
        metadata["encoder_trained"] = "with the head"
    if artefact.encoder is not None:
        of_encoder, told = _packed_encoder(artefact.encoder)
        tensors |= of_encoder
        metadata["encoder_layers"] = _text(told)
    return file_bytes(tensors, metadata)


@lru_cache(maxsize=2)
def _packed_encoder(state: EncoderState) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Return the tensors of an encoder in a file, and what is said of its quantized parameters, by name.

    The heads of all runs go with the same encoder, so it is packed once for them all.
    """
    tensors = {f"{_ENCODER}{name}": tensor for name, tensor in state.kept.items()}
    told: dict[str, object] = {}
    before: list[str] = []
    for name, layer in state.layers.items():
        key = f"{_ENCODER}{name}"
        told[name] = take_apart(key, layer, tensors, before)
        before.append(key)
    return tensors, told


def write_artefact(path: Path, artefact: Artefact) -> int:
    """Write a quantized head to ``path``, read it back and compare; return the size of the file.

    Raises
    ------
    DataError
        If the file cannot be written.
    ValueError
        If the weights that are read are not those that were written, in every bit.
    """
    data = pack(artefact)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
        read = unpack(temporary)
        for name, ours, theirs in _pairs(artefact, read):
            if not same_bits(ours, theirs):
                raise ValueError(f"{name} is not restored bit by bit from its file")
    return len(data)


def _pairs(written: Artefact, read: Artefact) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield all weights as they were written and as they are read, with what they are."""
    for ours, theirs in zip(written.layers, read.layers, strict=True):
        yield type(ours).__name__, ours.dequantize(), theirs.dequantize()
    if written.encoder is not None and read.encoder is not None:
        found = read.encoder.tensors()
        for name, tensor in written.encoder.tensors().items():
            yield name, tensor, found[name]


def unpack(path: Path) -> Artefact:
    """Return the quantized head of a file.

    Raises
    ------
    DataError
        If there is no such file, it is damaged, or its parts do not belong together.
    """
    metadata, tensors = read_file(path)
    if metadata.get("format") != str(FORMAT):
        raise DataError(
            f"{path} has format {metadata.get('format', '')[:20]!r}, and this version reads {FORMAT}; "
            "install the version of molmis that wrote it"
        )
    try:
        return _restored(metadata, tensors, path.stat().st_size)
    except _WRONG as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path} holds no head that can be used: {reason}") from None


def _restored(metadata: Mapping[str, str], tensors: dict[str, Tensor], size: int) -> Artefact:
    """Return the head of the content of a file; anything that is wrong with it raises."""
    told = json.loads(metadata["layers"])
    of_encoder = json.loads(metadata.get("encoder_layers", "{}"))
    check_memory([*told, *of_encoder.values()], size)
    layers = tuple(put_together(place, layer, tensors) for place, layer in enumerate(told))
    artefact = Artefact(
        Origin(
            metadata["task"],
            Kind(metadata["kind"]),
            tuple(json.loads(metadata["targets"])),
            metadata["encoder"],
            metadata["encoder_key"],
            Inputs(metadata["inputs"]),
            _options(json.loads(metadata.get("encoder_options", "{}"))),
            metadata["quantized"],
            "encoder_trained" in metadata,
        ),
        metadata["quantizer"],
        metadata["run"],
        layers,
        tuple(tensors[f"{place}.bias"] for place in range(len(layers))),
        tensors["centre"],
        tensors["spread"],
        tensors["probe"],
        _encoder(of_encoder, tensors) if "encoder_layers" in metadata else None,
        metadata["molmis"].rstrip(),
    )
    _check(artefact)
    return artefact


def _options(told: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return what the encoder takes beside its name, after checking that it is texts."""
    if not all(isinstance(value, str) for value in told.values()):
        raise ValueError("options of the encoder that are no texts")
    return tuple(sorted((name, str(value)) for name, value in told.items()))


def _encoder(told: Mapping[str, Mapping[str, Any]], tensors: Mapping[str, Tensor]) -> EncoderState:
    """Return the encoder of a file: its quantized parameters put together, and all else as it is."""
    layers = {name: put_together(f"{_ENCODER}{name}", layer, tensors) for name, layer in told.items()}
    parts = {f"{_ENCODER}{name}.codes" for name in told}
    parts |= {f"{owner}.{part}" for layer in told.values() for part, owner in layer["parts"].items()}
    kept = {
        name.removeprefix(_ENCODER): tensor
        for name, tensor in tensors.items()
        if name.startswith(_ENCODER) and name not in parts
    }
    return EncoderState(kept, layers)


def _check(artefact: Artefact) -> None:
    """Raise unless the layers follow one another and everything has the shape it needs."""
    targets = len(artefact.origin.targets)
    if not all(isinstance(name, str) for name in artefact.origin.targets):
        raise ValueError("names of labels that are no texts")
    outs = [layer.shape[0] for layer in artefact.layers]
    ins = [layer.shape[1] for layer in artefact.layers]
    if outs[:-1] != ins[1:] or outs[-1] != targets:
        raise ValueError(f"layers of {outs} outputs and {ins} inputs for {targets} labels")
    wanted: dict[str, list[tuple[Tensor, tuple[int, ...]]]] = {
        "bias": [(bias, (out,)) for bias, out in zip(artefact.biases, outs, strict=True)],
        "centre": [(artefact.centre, (targets,))],
        "spread": [(artefact.spread, (targets,))],
        "probe": [(artefact.probe, (len(artefact.origin.probe), targets))],
        "weights": [(layer.dequantize(), layer.shape) for layer in artefact.layers],
    }
    if artefact.encoder is not None:
        wanted["weights of the encoder"] = [
            (layer.dequantize(), layer.shape) for layer in artefact.encoder.layers.values()
        ]
    for name, pairs in wanted.items():
        for tensor, shape in pairs:
            if tensor.dtype != torch.float32 or tuple(tensor.shape) != shape:
                raise ValueError(f"{name} of {tensor.dtype} and shape {tuple(tensor.shape)}, not {shape}")
            if not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"{name} not finite")


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
