"""What is known of a quantizer beside its figures: formula, source, cost, and the curve it draws."""

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.quantizers import Quantizer

#: Side of the square matrix whose weights are spread evenly over [-1, 1]; every so manieth is drawn.
_SIDE, _EVERY = 32, 4
#: Seed of the order of the weights in that matrix.
_SEED = 0
_UNKNOWN = "Not of the zoo: neither its formula nor its curve is known here."


@dataclass(frozen=True)
class Described:
    """What the detail of a quantizer says of it.

    Attributes
    ----------
    formula, reference, text : str
        Definition in one line, where it comes from, and the summary of its docstring.
    configuration : str
        Its parameters.
    calibration : str
        Records that it reads: ``none``, ``public``, ``training``.
    curve : tuple of (float, float)
        Weights on [-1, 1] and what becomes of them; empty where it is not drawn.
    containment : str
        What was around the code of a submission while it was measured.
    remark : str
        Why there is no curve, or no formula.
    """

    formula: str = ""
    reference: str = ""
    text: str = ""
    configuration: str = ""
    calibration: str = ""
    curve: tuple[tuple[float, float], ...] = ()
    containment: str = ""
    remark: str = _UNKNOWN


def described(names: Iterable[str]) -> dict[str, Described]:
    """Return what the zoo knows of quantizers, by name.

    Names are looked up, registered ones and specifications such as ``uniform:bits=3``; no file is read and
    nothing is run for a name that the zoo does not know.
    """
    found = {name: _member(name) for name in names}
    return {
        name: Described() if quantizer is None else _described(quantizer) for name, quantizer in found.items()
    }


def _member(name: str) -> "Quantizer | None":
    """Return the quantizer of a name; None where the zoo has none."""
    from models.quantizers.base import FAMILIES, QUANTIZERS
    from models.quantizers.library import ROWS
    from models.quantizers.zoo import resolve
    from molecules.errors import MolmisError

    if name in ROWS:
        return ROWS[name]
    if name in QUANTIZERS:
        return QUANTIZERS[name]
    if ":" not in name or name.partition(":")[0] not in FAMILIES:
        return None
    try:
        return next(iter(resolve([name]).values()))
    except (MolmisError, ValueError):  # of an earlier version, or its library is not installed
        return None


def _described(quantizer: "Quantizer") -> Described:
    """Return what is told of a quantizer."""
    doc = inspect.cleandoc(type(quantizer).__doc__ or "").split("\n\n")[0]
    curve = () if quantizer.library is not None else _curve(quantizer)
    drawn = "" if curve else f"No curve: it calls the library {quantizer.library}."
    return Described(
        formula=_plain(quantizer.formula),
        reference=_plain(quantizer.reference),
        text=_plain(doc.replace("``", "")),
        configuration=repr(quantizer),
        calibration=quantizer.calibration,
        curve=curve,
        remark=drawn,
    )


def _curve(quantizer: "Quantizer") -> tuple[tuple[float, float], ...]:
    """Return what becomes of weights on [-1, 1], as ``python -m models.quantizers docs`` draws it.

    They lie in a matrix in an order in which every row and group covers the whole range.
    """
    import torch

    weights = torch.linspace(-1, 1, _SIDE**2)
    order = torch.randperm(_SIDE**2, generator=torch.Generator().manual_seed(_SEED))
    values = torch.empty(_SIDE**2)
    values[order] = quantizer.quantize(weights[order].reshape(_SIDE, _SIDE)).dequantize().flatten()
    pairs = zip(weights[::_EVERY].tolist(), values[::_EVERY].tolist(), strict=True)
    return tuple((round(weight, 3), round(value, 3)) for weight, value in pairs if math.isfinite(value))


def _plain(text: str) -> str:
    return " ".join(text.split())
