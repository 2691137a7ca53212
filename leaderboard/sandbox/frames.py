"""What goes over the pipes between the board and a submission: a header of JSON, and raw arrays. No pickles.

Both ends use it, and the board's end trusts nothing: every size is known to be allowed before memory is taken
for it, and only a handful of types of numbers are known.
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

#: Bytes of the header, and bytes of the arrays behind it.
PREFIX = struct.Struct("<IQ")
#: Bytes that a header may have.
MAX_HEADER = 1 << 16
#: Axes of an array.
MAX_AXES = 3
#: Types of numbers by the name that stands in headers.
DTYPES = {"f4": np.float32, "u1": np.uint8, "i2": np.int16, "i4": np.int32, "i8": np.int64}

Array = NDArray[Any]


class FrameError(Exception):
    """Bytes that are no message."""


@dataclass(frozen=True)
class Frame:
    """One message.

    Attributes
    ----------
    head : dict
        What is said, JSON; ``say`` is the kind of message.
    arrays : mapping of str to array
        By name.
    """

    head: dict[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)


def encode(head: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> bytes:
    """Return a message as bytes.

    Raises
    ------
    FrameError
        If an array is of another type than those that are known, or the header is too long.
    """
    told, parts = [], []
    for name, array in (arrays or {}).items():
        code = f"{array.dtype.kind}{array.dtype.itemsize}"
        if code not in DTYPES or array.ndim > MAX_AXES:
            raise FrameError(f"an array of type {array.dtype} with {array.ndim} axes")
        told.append([name, code, list(array.shape)])
        parts.append(np.ascontiguousarray(array).tobytes())
    header = json.dumps({**head, "arrays": told}).encode()
    if len(header) > MAX_HEADER:
        raise FrameError(f"a header of {len(header)} bytes")
    return b"".join([PREFIX.pack(len(header), sum(map(len, parts))), header, *parts])


def needed(begun: bytes | bytearray, limit: int) -> int | None:
    """Return how many bytes a message has that has begun, or None where that is not yet known.

    Parameters
    ----------
    begun : bytes
        What is there of it.
    limit : int
        Bytes that its arrays may have.

    Raises
    ------
    FrameError
        If it announces more than is allowed.
    """
    if len(begun) < PREFIX.size:
        return None
    header, payload = PREFIX.unpack_from(begun)
    if header > MAX_HEADER or payload > limit:
        raise FrameError(f"a message of {header} and {payload} bytes, where {limit} are allowed")
    return PREFIX.size + int(header) + int(payload)


def decode(whole: bytes | bytearray) -> Frame:
    """Return the message that ``whole`` is; the arrays are copies that may be written to.

    Raises
    ------
    FrameError
        If it is none.
    """
    header, payload = PREFIX.unpack_from(whole)
    try:
        head = json.loads(bytes(whole[PREFIX.size : PREFIX.size + header]))
        told = head.pop("arrays")
        arrays = _arrays(told, memoryview(whole)[PREFIX.size + header :], payload)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FrameError(f"a header that cannot be read ({type(error).__name__})") from None
    return Frame(head, arrays)


def _arrays(told: list[Any], data: memoryview, payload: int) -> dict[str, Array]:
    """Return the arrays that a header tells of; whatever is wrong with it is a ValueError or TypeError."""
    arrays: dict[str, Array] = {}
    place = 0
    for name, code, shape in told:
        if not isinstance(name, str) or name in arrays or len(shape) > MAX_AXES:
            raise ValueError(name)
        if not all(type(length) is int and 0 <= length < 1 << 31 for length in shape):
            raise ValueError(shape)
        dtype = np.dtype(DTYPES[code])
        end = place + math.prod(shape) * dtype.itemsize
        if end > payload:
            raise ValueError(shape)
        arrays[name] = np.frombuffer(data[place:end], dtype).reshape(shape).copy()
        place = end
    if place != payload:
        raise ValueError("bytes of no array")
    return arrays


def read(stream: BinaryIO, limit: int) -> Frame | None:
    """Return the next message of a stream, waiting for it; None at its end.

    Raises
    ------
    FrameError
        If what comes is no message.
    """
    begun = stream.read(PREFIX.size)
    if len(begun) < PREFIX.size:
        return None
    total = needed(begun, limit)
    rest = stream.read((total or 0) - PREFIX.size)
    return decode(begun + rest) if len(begun) + len(rest) == total else None
