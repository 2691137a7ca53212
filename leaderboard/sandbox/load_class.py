"""A submission that imports torch or the quantizers: a decorated function, a class of quantizers, or one."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leaderboard.sandbox.frames import Array
from leaderboard.sandbox.load import Answer, DeedError, Loaded, answer_of, smallest
from models.quantizers.adapter import MatrixQuantizer
from models.quantizers.base import Quantizer
from models.quantizers.quantized import Floats, Quantized, Values
from models.quantizers.stored import facts_of, kind_of
from models.quantizers.user_file import from_source
from molecules.errors import MolmisError


def load_any(name: str, source: bytes, member: str | None) -> Loaded:
    """Run the file, and return the one quantizer that it holds; see :func:`leaderboard.sandbox.load.load`."""
    try:
        found = from_source(Path(name), source, member)
    except MolmisError as error:
        if error.__context__ is not None and not isinstance(error.__context__, MolmisError | TypeError):
            raise error.__context__ from None  # what the file itself raised
        raise DeedError(_deed(str(error), name)) from None
    if len(found) != 1:
        raise DeedError(f"holds {len(found)} quantizers ({', '.join(list(found)[:6])}); say which one")
    own, quantizer = next(iter(found.items()))
    facts = {
        "name": own,
        "bits": float(quantizer.bits),
        "formula": str(quantizer.formula),
        "reference": str(quantizer.reference),
        "scaled": bool(quantizer.adaptive),
        "calibration": str(quantizer.calibration),
        "placed": type(quantizer).quantize_layer is not Quantizer.quantize_layer,
    }
    return Loaded(facts, _answers(quantizer))


def _deed(text: str, name: str) -> str:
    """Return the message about a file of one's own as what the file did."""
    if text.startswith(f"{name} "):
        return text.removeprefix(f"{name} ")
    return f"cannot be taken: {text.removeprefix(f'{name}: ')}"


def _answers(quantizer: Quantizer) -> Callable[[Array], Answer]:
    """Return the function that asks a quantizer for one matrix."""
    if isinstance(quantizer, MatrixQuantizer):
        function = quantizer.function
        return lambda matrix: answer_of(function(matrix), matrix.shape)

    def answer(matrix: Array) -> Answer:
        return taken_apart(quantizer.quantize(torch.from_numpy(matrix)), matrix.shape)

    return answer


def taken_apart(quantized: object, shape: tuple[int, ...]) -> Answer:
    """Return quantized weights of one matrix as arrays and facts.

    Raises
    ------
    DeedError
        If they are nothing that the board takes.
    """
    if not isinstance(quantized, Quantized):
        raise DeedError(f"returned {type(quantized).__name__} and none of the classes of quantized weights")
    if isinstance(quantized, Values | Floats):
        return answer_of(quantized.dequantize().detach().numpy(), shape)
    try:
        kind = kind_of(quantized)
    except ValueError as error:
        raise DeedError(f"returned weights of its own class: {error}") from None
    values: dict[str, Any] = {field.name: getattr(quantized, field.name) for field in fields(quantized)}
    arrays = {name: _array(value) for name, value in values.items() if isinstance(value, Tensor)}
    return {"kind": kind, "facts": facts_of(quantized)}, arrays


def _array(tensor: Tensor) -> Array:
    array = tensor.detach().numpy()
    return smallest(array) if array.dtype.kind in "iu" else array.astype(np.float32)
