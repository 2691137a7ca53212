"""A quantized head as a file: bit-packed codes, what they stand for, and what the head is of.

``pack`` and ``unpack`` are inverse to one another, bit by bit. Of every weight matrix ``i`` the file holds
``i.codes`` (packed by :mod:`models.quantizers.packing`; float32 weights as they are), what the matrix stores
beside its codes (``i.scale``, ``i.levels``, ...; what layers have in common stands once) and ``i.bias`` in
float32. Between layers there is a ReLU. ``centre`` and ``spread`` bring a prediction to the label's unit.
``probe`` holds the outputs for a few molecules everybody knows, so that a reader notices an encoder that is
not the one the head was trained on.
"""

import importlib.metadata
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.artefact_file import file_bytes, read_file
from models.heads import Heads
from models.quantizers.packing import pack as pack_codes
from models.quantizers.packing import packed_size
from models.quantizers.packing import unpack as unpack_codes
from models.quantizers.quantized import KINDS, Quantized, Values
from models.quantizers.stored import facts_of, kind_of, restored
from molecules.cache import atomic_write
from molecules.errors import DataError
from tasks.task import Inputs, Kind

#: Raised when files of before can no longer be read.
FORMAT = 1
#: Molecules of the probe: ethanol, aspirin, caffeine, paracetamol.
PROBE = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "CC(=O)Nc1ccc(O)cc1")
#: What a file may unpack to: so many bytes whatever its size, or so many times its size. A weight takes at
#: least 1/32 of its float32 number in a matrix of two levels or more.
_FREE, _TIMES = 16 << 20, 64
#: Levels that codes may have in a file.
_MAX_ALPHABET = 1 << 32
#: What parts that do not belong together raise, wherever it is noticed.
_WRONG = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError)
#: Characters kept for the version, so that the size of a file does not depend on it.
_VERSION_WIDTH = 16


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
    """

    task: str = "unnamed"
    kind: Kind = Kind.REGRESSION
    targets: tuple[str, ...] = ("label",)
    encoder: str = "none"
    encoder_key: str = ""
    inputs: Inputs = Inputs.VECTORS

    @property
    def probe(self) -> tuple[str, ...]:
        """SMILES of the probe: none where the inputs are vectors."""
        return PROBE if self.inputs is Inputs.MOLECULES else ()


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
    encoder : mapping of str to Tensor
        Weights of the encoder, if they are in the file; else empty.
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
    encoder: Mapping[str, Tensor] = field(default_factory=dict)
    version: str = field(default_factory=lambda: importlib.metadata.version("molmis"))

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
    tensors |= {f"encoder.{name}": tensor for name, tensor in artefact.encoder.items()}
    layers = []
    for place, (layer, bias) in enumerate(zip(artefact.layers, artefact.biases, strict=True)):
        tensors[f"{place}.bias"] = bias
        layers.append(_taken_apart(place, _own(layer), tensors))
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
        "quantizer": artefact.quantizer,
        "run": artefact.run,
        "layers": _text(layers),
    }
    return file_bytes(tensors, metadata)


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
        for ours, theirs in zip(artefact.layers, read.layers, strict=True):
            if not _same_bits(ours.dequantize(), theirs.dequantize()):
                raise ValueError(f"{type(ours).__name__} is not restored bit by bit from its file")
    return len(data)


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
    _check_memory(told, size)
    layers = tuple(_put_together(place, layer, tensors) for place, layer in enumerate(told))
    encoder = {
        name.removeprefix("encoder."): tensor
        for name, tensor in tensors.items()
        if name.startswith("encoder.")
    }
    artefact = Artefact(
        Origin(
            metadata["task"],
            Kind(metadata["kind"]),
            tuple(json.loads(metadata["targets"])),
            metadata["encoder"],
            metadata["encoder_key"],
            Inputs(metadata["inputs"]),
        ),
        metadata["quantizer"],
        metadata["run"],
        layers,
        tuple(tensors[f"{place}.bias"] for place in range(len(layers))),
        tensors["centre"],
        tensors["spread"],
        tensors["probe"],
        encoder,
        metadata["molmis"].rstrip(),
    )
    _check(artefact)
    return artefact


def _check_memory(layers: list[dict[str, Any]], size: int) -> None:
    """Raise unless the layers, unpacked, are small enough for a file of that size."""
    allowed = max(_FREE, _TIMES * size)
    for layer in layers:
        numbers = [*layer["shape"], *layer["codes"]]
        if len(numbers) != 4 or not all(type(n) is int and n > 0 for n in numbers):
            raise ValueError(f"layers of shape {layer['shape']} and codes {layer['codes']}")
    weights = sum(math.prod(layer[name]) for layer in layers for name in ("shape", "codes"))
    if 4 * weights > 2 * allowed:
        raise ValueError(f"it would unpack to {4 * weights:,} bytes, more than {2 * allowed:,} for its size")


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
    for name, pairs in wanted.items():
        for tensor, shape in pairs:
            if tensor.dtype != torch.float32 or tuple(tensor.shape) != shape:
                raise ValueError(f"{name} of {tensor.dtype} and shape {tuple(tensor.shape)}, not {shape}")
            if not bool(torch.isfinite(tensor).all()):
                raise ValueError(f"{name} not finite")


def _own(layer: Quantized) -> Quantized:
    """Return a matrix without what it has in common with others only by having been made with them."""
    if layer.lead:
        raise ValueError(f"a file holds one head, not {tuple(layer.lead)} of them")
    return layer.own()[0] if isinstance(layer, Values) else layer


def _taken_apart(place: int, layer: Quantized, tensors: dict[str, Tensor]) -> dict[str, object]:
    """Add the tensors of a layer to those of the file, and return what is said of it.

    ``parts`` tells of which layer each tensor is: a shared one is that of the first layer that has the same.
    """
    if layer.alphabet is None:
        tensors[f"{place}.codes"] = layer.codes.view(torch.float32)
    else:
        packed = bytearray(pack_codes(layer.codes, layer.alphabet))
        tensors[f"{place}.codes"] = _as_bytes(packed)
    parts = {}
    shared = {name: getattr(layer, name) for name in sorted(layer.shared)}
    for name, part in {**shared, **layer.side}.items():
        same = [i for i in range(place) if _equal(tensors.get(f"{i}.{name}"), part)] if name in shared else []
        parts[name] = same[0] if same else place
        tensors[f"{parts[name]}.{name}"] = part
    return {
        "kind": kind_of(layer),
        "shape": list(layer.shape),
        "codes": list(layer.codes.shape),
        "alphabet": layer.alphabet,
        "parts": parts,
        "facts": facts_of(layer),
    }


def _put_together(place: int, told: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Quantized:
    """Return a layer from the tensors of the file and what is said of it."""
    if told["kind"] not in KINDS:
        raise ValueError(f"kind of weights {str(told['kind'])[:40]!r} is not known here")
    stored, shape, alphabet = tensors[f"{place}.codes"], tuple(told["codes"]), told["alphabet"]
    if alphabet is None:
        if stored.dtype != torch.float32 or stored.shape != shape:
            raise ValueError(f"float32 weights of {stored.dtype} and shape {tuple(stored.shape)}")
        codes = stored.view(torch.int32)
    else:
        if type(alphabet) is not int or not 1 <= alphabet <= _MAX_ALPHABET:
            raise ValueError(f"{str(alphabet)[:40]} levels")
        if stored.dtype != torch.uint8 or len(stored) != packed_size(math.prod(shape), alphabet):
            raise ValueError(f"{math.prod(shape)} codes of {alphabet} levels in {stored.nbytes} bytes")
        codes = unpack_codes(stored.numpy().tobytes(), shape, alphabet)
    parts = {name: tensors[f"{layer}.{name}"] for name, layer in told["parts"].items()}
    facts = {name: tuple(v) if isinstance(v, list) else v for name, v in told["facts"].items()}
    layer = restored(told["kind"], codes, parts, facts)
    if layer.alphabet != alphabet or layer.shape != tuple(told["shape"]):
        raise ValueError(f"layer {place} is not of the shape and the levels that it states")
    return layer


def _as_bytes(data: bytearray) -> Tensor:
    return torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)


def _equal(first: Tensor | None, second: Tensor) -> bool:
    return first is not None and first.dtype == second.dtype and _same_bits(first, second)


def _same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors are equal in every bit: of zeros also the sign."""
    one, other = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (first, second))
    return first.shape == second.shape and torch.equal(one, other)


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
