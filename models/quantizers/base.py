"""The contract of a post-training quantizer.

A quantizer is a frozen configuration (its identity: hashable, printable) with one method, ``quantize``,
from a weight tensor ``(..., out, in)`` to integer codes, levels and scales. Leading axes are runs and
snapshots: each ``(out, in)`` matrix is quantized by itself, and the whole bank in one call. The float
weights, the bits per weight and the packed bytes follow from codes, levels and scales.
"""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from models.quantizers.quantized import Quantized
from molecules.cache import content_key
from molecules.registry import Registry

#: Whether levels are multiplied with a scale fitted to each matrix, or stand as they are on [-1, 1].
Scale = Literal["adaptive", "none"]


#: Records that a quantizer looks at: none; others than those of the task; or members of each run.
Calibration = Literal["none", "public", "training"]


@dataclass(frozen=True, eq=False)
class Layer:
    """The place of a weight matrix in a model, and what goes into it.

    Attributes
    ----------
    index, count : int
        Which layer it is (0 is the first), of how many.
    inputs : Tensor of float32, shape (..., n, in), or None
        What the layer is given for n calibration records, the layers before it quantized already; None where
        the quantizer needs no calibration.
    """

    index: int
    count: int
    inputs: Tensor | None = None

    @property
    def last(self) -> bool:
        """Whether no layer follows."""
        return self.index == self.count - 1


class Quantizer(ABC):
    """A post-training quantizer: a frozen dataclass of its parameters, and how it treats one tensor.

    Subclasses are frozen dataclasses and give:

    - ``formula``: the definition in one line of plain text;
    - ``reference``: where it comes from;
    - ``bits``: nominal bits per weight, a class attribute or a parameter;
    - ``quantize``: the function itself.

    A family that cannot meet a check of ``models.quantizers.contract`` declares it in ``exceptions``, by the
    name of the check and with the reason: the check is then left out, and a reader finds the reason.
    """

    formula: ClassVar[str]
    reference: ClassVar[str]
    bits: float
    exceptions: ClassVar[dict[str, str]] = {}
    #: The library of the extra ``[quant]`` that does the work; None: none is needed.
    library: ClassVar[str | None] = None
    #: Which records it looks at beside the weights.
    calibration: Calibration = "none"
    #: Whether it is there to compare with, and no quantizer that anyone would use.
    control: ClassVar[bool] = False
    #: Whether a fork of the process may use it, too: not where it talks with a process of its own.
    forks: ClassVar[bool] = True

    @property
    def adaptive(self) -> bool:
        """Whether the levels are scaled to each matrix, so that Q(a w) = a Q(w) for a > 0."""
        return getattr(self, "scale", "none") == "adaptive"

    def identity(self) -> str:
        """Return what its figures depend on, as text: its configuration, and a hash of the code behind it.

        A change to the module that defines it is another quantizer, so that what was measured before the
        change is not taken for what would be measured now. So is another version of the library it calls.
        """
        library = "" if self.library is None else f" {self.library} {metadata.version(self.library)}"
        return f"{self!r} code {source_key(type(self))}{library}"

    @abstractmethod
    def quantize(self, weight: Tensor) -> Quantized:
        """Quantize every matrix of ``weight``, float32 of shape (..., out, in), by itself."""

    def quantize_layer(self, weight: Tensor, layer: Layer) -> Quantized:  # noqa: ARG002
        """Quantize the weights of one layer, which a quantizer may treat by its place or its inputs.

        Parameters
        ----------
        weight : Tensor of float32, shape (..., out, in)
            Of the layer.
        layer : Layer
            Which one it is, and what goes into it.
        """
        return self.quantize(weight)


#: Every quantizer of the zoo by name. Modules of this package register theirs when imported.
QUANTIZERS: Registry[Quantizer] = Registry("quantizer", "models.quantizers")

#: The classes of the zoo by the name of their family, for specifications such as ``ternary:sparsity=0.8``.
FAMILIES: Registry[type[Quantizer]] = Registry("quantizer family", "models.quantizers")


def source_key(defined: Callable[..., object]) -> str:
    """Return a hash of the module in which a class or a function is defined.

    Its compiled code where there is no source to read, as in an interactive session.
    """
    module = inspect.getmodule(defined)
    try:
        return content_key(inspect.getsource(module if module is not None else defined))
    except (OSError, TypeError):
        code = getattr(defined, "__code__", None)
        return content_key(defined.__qualname__, b"" if code is None else code.co_code)


def check_bits(bits: int, low: int, high: int) -> None:
    """Raise ``ValueError`` unless ``bits`` is an integer from ``low`` to ``high``."""
    if not (isinstance(bits, int) and not isinstance(bits, bool) and low <= bits <= high):
        raise ValueError(f"bits must be an integer from {low} to {high}, not {bits!r}")


def check_seed(seed: int) -> None:
    """Raise ``ValueError`` unless ``seed`` is an integer from 0 to 2^63 - 1."""
    if not (isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**63):
        raise ValueError(f"seed must be an integer from 0 to 2^63 - 1, not {seed!r}")


def check_scale(scale: str) -> None:
    """Raise ``ValueError`` unless ``scale`` is one of the two that are defined."""
    if scale not in get_args(Scale):
        raise ValueError(f"scale must be one of {', '.join(get_args(Scale))}, not {scale!r}")


def check_weight(weight: Tensor) -> Tensor:
    """Return ``weight`` detached, after checking that a quantizer can take it.

    Raises
    ------
    ValueError
        If it is not float32, has fewer than two axes, holds empty matrices, or values that are not finite.
    """
    if weight.dtype != torch.float32:
        raise ValueError(f"weights must be float32, not {weight.dtype}")
    if weight.dim() < 2 or 0 in weight.shape[-2:]:
        raise ValueError(f"weights must have shape (..., out, in), both >= 1, not {tuple(weight.shape)}")
    weight = weight.detach()
    # NaN is the extreme of whatever holds it, so two numbers tell; to test every weight takes several passes
    if weight.numel() and not all(torch.isfinite(extreme) for extreme in torch.aminmax(weight)):
        bad = weight.numel() - int(torch.isfinite(weight).sum())
        raise ValueError(f"weights must be finite: {bad} of {weight.numel()} are NaN or infinite")
    return weight


def unit_scale(weight: Tensor) -> Tensor:
    """Return scales of one, shape (..., 1, 1): what a quantizer without a scale multiplies with."""
    return weight.new_ones((*weight.shape[:-2], 1, 1))


def bits_of_levels(levels: int) -> float:
    """Return log2 of the number of levels: the bits a code carries if all levels are used alike."""
    return math.log2(levels)
