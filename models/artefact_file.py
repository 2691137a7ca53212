"""A file to publish: a safetensors file whose every byte is under one checksum.

Any reader of safetensors opens it. What is read here is checked first: the length of the header, the shapes
against the length of the file, and then the checksum, so that a file that is cut, longer than it says, or
changed in one bit is an error, and nothing larger than the file itself is read into memory.

The checksum is the first entry of the metadata, at a fixed place of the file. It is the SHA-256 of all bytes
of the file, with zeros in the place of its own 64 digits.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from molecules.errors import DataError

#: Names of the types in the format, of those that may occur.
_TYPES = {
    "F64": torch.float64,
    "I64": torch.int64,
    "F32": torch.float32,
    "I32": torch.int32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
#: What comes before the checksum, after the eight bytes of the header's length.
_OPENING = b'{"__metadata__":{"checksum":"'
_PLACE = slice(8 + len(_OPENING), 8 + len(_OPENING) + 64)
#: Bytes that a header may have: a hundred times what the largest of ours has.
MAX_HEADER = 1 << 20
#: Axes that a tensor may have, and how long they may be together: so that an empty one is small too.
_MAX_AXES, _MAX_EXTENT = 8, 1 << 40


def file_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        By name; of a type that the format has.
    metadata : mapping of str to str
        What the file says of itself; ``checksum`` is added.
    """
    # wide types first, so that every tensor begins at a multiple of its item size
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, object] = {"__metadata__": {"checksum": "0" * 64, **metadata}}
    pieces, end = [], 0
    for name in order:
        tensor = tensors[name].detach().cpu().contiguous()
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
        pieces.append(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = bytearray(len(text).to_bytes(8, "little") + text + b"".join(pieces))
    data[_PLACE] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def read_file(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata and tensors of a file, after checking that they are what was written.

    Raises
    ------
    DataError
        If there is no such file, or it is not whole, not of this form, or changed in any byte.
    """
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or not len(_OPENING) + 64 <= length <= MAX_HEADER:
                raise _foreign(path)
            if 8 + length > size:
                raise _cut(path, size, f"at least {8 + length}")
            text = stream.read(length)
            metadata, places, end = _parsed(path, text)
            if 8 + length + end != size:
                raise _cut(path, size, str(8 + length + end))
            data = bytearray(start + text + stream.read(end))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error})") from None
    stated = bytes(data[_PLACE])
    data[_PLACE] = b"0" * 64
    if hashlib.sha256(data).hexdigest().encode() != stated:
        raise DataError(
            f"{path} is damaged: its content is not what its checksum says; copy or export it again"
        )
    first = 8 + length
    return metadata, {
        name: _tensor(data[first + begin : first + finish], dtype, shape)
        for name, (dtype, shape, begin, finish) in places.items()
    }


#: Type, shape, first byte and the one after the last, of a tensor.
_Entry = tuple[torch.dtype, tuple[int, ...], int, int]


def _parsed(path: Path, text: bytes) -> tuple[dict[str, str], dict[str, _Entry], int]:
    """Return the metadata, where each tensor lies, and the bytes of all tensors together."""
    if not text.startswith(_OPENING):
        raise _foreign(path)
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__")
        texts = all(isinstance(value, str) for value in metadata.values())
        found = {name: _entry(told) for name, told in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{path} is damaged: its header cannot be read; copy or export it again") from None
    if not texts:
        raise DataError(f"{path} is damaged: what it says of itself is no text; copy or export it again")
    end = 0
    for name, (dtype, shape, begin, finish) in sorted(found.items(), key=lambda item: item[1][2:]):
        if begin != end or finish - begin != math.prod(shape) * dtype.itemsize:
            raise DataError(f"{path} is damaged: the place of {name[:40]!r} is not what its shape asks for")
        end = finish
    return metadata, found, end


def _entry(told: Any) -> _Entry:
    """Return an entry of the header, after checking its types."""
    shape, offsets = told["shape"], told["data_offsets"]
    numbers = [*shape, *offsets]
    if len(offsets) != 2 or len(shape) > _MAX_AXES or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("numbers")
    if math.prod(max(n, 1) for n in shape) > _MAX_EXTENT:
        raise ValueError("extent")
    return _TYPES[told["dtype"]], tuple(shape), offsets[0], offsets[1]


def _tensor(data: bytearray, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(data, dtype=dtype).reshape(shape)


def _foreign(path: Path) -> DataError:
    return DataError(f"{path} is no model written by export, or its beginning is damaged")


def _cut(path: Path, size: int, stated: str) -> DataError:
    return DataError(f"{path} is damaged: it has {size} bytes, and says {stated}; copy or export it again")
