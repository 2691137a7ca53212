"""From the arrays that a submission returned to quantized weights: everything is tested, nothing believed.

Bits are counted here, from codes and levels, whatever the submission says of itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from leaderboard.sandbox.frames import Frame
from models.quantizers.adapter import from_codes, from_values
from models.quantizers.quantized import KINDS, Quantized, code_dtype, exponents
from models.quantizers.stored import powers_of_two

#: Bits a weight that a matrix may store beside its codes, whatever its codes take: or twice what they take.
BESIDE = 8.0
#: Weights of a matrix from which on this is asked: in a small one, a single scale is much.
MANY = 1024
#: Weights of a vector, where rows are shorter.
LONGEST = 64

#: Arrays, facts, shape (out, in) and bits of one matrix.
Parts = tuple[Mapping[str, Tensor], Mapping[str, Any], tuple[int, int], float]


class WrongError(Exception):
    """What is wrong with what a submission returned: a verb and what follows it."""


@dataclass(frozen=True)
class Answer:
    """What came back for one matrix, after all tests.

    Attributes
    ----------
    kind : str
        ``matrix``, ``levels``, or a name in ``KINDS``.
    arrays : mapping of str to Tensor
        By name.
    facts : mapping
        Fields that are no arrays.
    """

    kind: str
    arrays: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def believed(frame: Frame, shape: tuple[int, int], bits: float) -> Answer:
    """Return what came back for one matrix, if it may be believed to be quantized weights of so many bits.

    Parameters
    ----------
    frame : Frame
        The answer.
    shape : tuple of int
        (out, in) of the matrix that was sent.
    bits : float
        That the submission says it takes.

    Raises
    ------
    WrongError
        If not.
    """
    kind = frame.head.get("kind")
    facts = frame.head.get("facts") or {}
    if not isinstance(kind, str) or kind not in _TESTS or not isinstance(facts, dict):
        raise WrongError(f"returned weights of a kind that the board does not take ({str(kind)[:40]})")
    arrays = {name: torch.from_numpy(array) for name, array in frame.arrays.items()}
    for name, array in arrays.items():
        if array.is_floating_point() and not bool(torch.isfinite(array).all()):
            held = "weights" if name == "matrix" else name
            raise WrongError(f"returned {held} that are NaN or infinite")
    try:
        beside = _TESTS[kind]((arrays, facts, shape, bits))
    except (KeyError, ValueError, TypeError, RuntimeError, IndexError, OverflowError) as error:
        raise WrongError(f"returned {kind} weights whose parts do not belong together ({error})") from None
    if shape[0] * shape[1] >= MANY and beside > max(BESIDE, 2 * bits) * shape[0] * shape[1]:
        each = beside / (shape[0] * shape[1])
        raise WrongError(f"says {_bits(bits)} a weight and stores {each:.0f} more beside the codes")
    return Answer(kind, arrays, {name: _tuple(value) for name, value in facts.items()})


def together(answers: Sequence[Answer], weight: Tensor, known: dict[str, Tensor]) -> Quantized:
    """Return the quantized weights of a stack of matrices.

    Parameters
    ----------
    answers : sequence of Answer
        One for each matrix.
    weight : Tensor of float32, shape (..., out, in)
        The stack.
    known : dict of str to Tensor
        What all matrices of the submission have in common, so far: it follows from its name, and is charged
        to none of them; what is new is added.

    Raises
    ------
    WrongError
        If they do not belong together, or what they have in common has changed.
    """
    kinds = {answer.kind for answer in answers}
    if len(kinds) > 1:
        raise WrongError(f"returned {' for some matrices and '.join(sorted(kinds))} for others")
    kind = kinds.pop() if kinds else "matrix"
    if kind == "matrix":
        return from_values([answer.arrays["matrix"].numpy() for answer in answers], weight)
    if kind == "levels":
        pairs = [(one.arrays["levels"].numpy(), one.arrays["codes"].numpy()) for one in answers]
        return from_codes(pairs, weight)
    first = answers[0]
    if any(answer.facts != first.facts or set(answer.arrays) != set(first.arrays) for answer in answers):
        raise WrongError(f"returned {kind} weights of different make for matrices of one shape")
    for answer in answers:
        _same_for_all(answer, known)
    lead = weight.shape[:-2]
    fields = {
        name: value if name in KINDS[kind].shared else _stacked(kind, name, answers, lead)
        for name, value in first.arrays.items()
    }
    whole = KINDS[kind](
        **{**first.facts, **{name: value.to(weight.device) for name, value in fields.items()}}
    )
    return replace(whole, codes=whole.codes.to(code_dtype(whole.alphabet or 1)))


def _same_for_all(answer: Answer, known: dict[str, Tensor]) -> None:
    for name in KINDS[answer.kind].shared:
        value = known.setdefault(f"{answer.kind} {name}", answer.arrays[name])
        if not torch.equal(value, answer.arrays[name]):
            raise WrongError(
                f"returned {name} that differ between matrices in a {answer.kind}, where all have them in "
                "common; return levels of each matrix's own as a codebook, or as (levels, codes)"
            )


def _stacked(kind: str, name: str, answers: Sequence[Answer], lead: torch.Size) -> Tensor:
    """Return one field of all matrices; a codebook that has fewer entries repeats its last one."""
    values = [answer.arrays[name] for answer in answers]
    if (kind, name) in (("codebook", "levels"), ("vectors", "codebook")):
        count = max(len(value) for value in values)
        values = [
            torch.cat([value, value[-1:].expand(count - len(value), *value.shape[1:])]) for value in values
        ]
    if len({value.shape for value in values}) > 1:
        raise WrongError(f"returned {name} of different shapes for matrices of one shape")
    if name == "codes" and len({value.dtype for value in values}) > 1:
        values = [value.to(torch.int32) for value in values]
    return torch.stack(values).reshape(*lead, *values[0].shape)


def _bits(bits: float) -> str:
    return f"{bits:g} bit{'' if bits == 1 else 's'}"


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _count(count: int, bits: float) -> None:
    """Refuse more levels than so many bits can tell apart."""
    if count > 2.0 ** min(bits, 64.0) * (1 + 1e-9):
        raise WrongError(f"says {_bits(bits)} a weight and returned {count} levels")


def _check(true: bool, wrong: str) -> None:
    if not true:
        raise ValueError(wrong)


def _codes(arrays: Mapping[str, Tensor], shape: tuple[int, ...], count: int) -> None:
    codes = arrays["codes"]
    if codes.shape != shape:
        raise WrongError(f"returned codes of shape {tuple(codes.shape)}")
    if codes.is_floating_point():
        raise WrongError(f"returned codes of type {codes.dtype}")
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= count:
        raise WrongError(f"returned codes from {low} to {high} for {count} levels")


def _matrix(parts: Parts) -> float:
    arrays, _, shape, bits = parts
    matrix = arrays["matrix"]
    if matrix.shape != shape or matrix.dtype != torch.float32:
        raise WrongError(f"returned an array of shape {tuple(matrix.shape)}")
    count = len(torch.unique(matrix))
    _count(count, bits)
    return 32.0 * count


def _levels(parts: Parts) -> float:
    arrays, _, shape, bits = parts
    levels = arrays["levels"]
    _check(
        levels.dim() == 1 and len(levels) > 0 and levels.is_floating_point(), "levels are one row of numbers"
    )
    _codes(arrays, shape, len(levels))
    count = len(torch.unique(levels))
    _count(count, bits)
    return 32.0 * count


def _in_common(arrays: Mapping[str, Tensor], bits: float) -> int:
    """Return how many levels all matrices have in common: ascending, each once."""
    levels = arrays["levels"]
    _check(
        levels.dim() == 1 and len(levels) > 0 and levels.is_floating_point(), "levels are one row of numbers"
    )
    _count(len(levels), bits)
    _check(bool((levels.diff() > 0).all()), "levels ascend, each once")
    return len(levels)


def _blocks(blocks: Tensor, shape: tuple[int, int], facts: Mapping[str, Any]) -> None:
    _check(
        blocks.dim() == 2 and all(1 <= n <= most for n, most in zip(blocks.shape, shape, strict=True)),
        "blocks",
    )
    block = facts["block"]
    of_two = isinstance(block, list) and len(block) == 2 and all(type(n) is int and n > 0 for n in block)
    _check(block is None or of_two, "a block has rows and columns")


def _grid(parts: Parts) -> float:
    arrays, facts, shape, bits = parts
    _codes(arrays, shape, _in_common(arrays, bits))
    scale, stored = arrays["scale"], facts["stored"]
    _blocks(scale, shape, facts)
    _check(
        scale.is_floating_point() and ("zero" not in arrays or arrays["zero"].shape == scale.shape), "scales"
    )
    if stored == "nothing":
        _check(bool((scale == 1).all()), "scales that are not stored are one")
    elif stored == "exponent":
        _check(
            torch.equal(powers_of_two(exponents(scale)), scale), "scales that are exponents are powers of two"
        )
    else:
        _check(stored == "scale", "scales are stored, as exponents, or not")
    return _beside("grid", parts)


def _codebook(parts: Parts) -> float:
    arrays, _, _, _ = parts
    _check(bool((arrays["levels"].diff() >= 0).all()), "levels ascend")
    _levels(parts)
    return _beside("codebook", parts)


def _additive(parts: Parts) -> float:
    arrays, _, shape, bits = parts
    count = len(arrays["coefficients"])
    _check(arrays["coefficients"].dim() == 1 and 1 <= count <= 30, "coefficients are one row of numbers")
    _count(2**count, bits)
    _codes(arrays, shape, 2**count)
    return _beside("additive", parts)


def _vectors(parts: Parts) -> float:
    arrays, facts, shape, bits = parts
    codebook = arrays["codebook"]
    longest = max(shape[1], LONGEST)
    _check(codebook.dim() == 2 and 1 <= codebook.shape[1] <= longest, f"vectors of at most {longest} weights")
    _check(type(facts["columns"]) is int and facts["columns"] == shape[1], "columns")
    _count(len(codebook), bits * codebook.shape[1])
    _codes(arrays, (shape[0], -(-shape[1] // codebook.shape[1])), len(codebook))
    return _beside("vectors", parts)


def _nested(parts: Parts) -> float:
    arrays, facts, shape, bits = parts
    _codes(arrays, shape, _in_common(arrays, bits))
    scales, table = arrays["scales"], arrays["table"]
    _blocks(scales, shape, facts)
    _check(
        scales.dtype == torch.uint8 and int(scales.max()) < len(table) <= 256 and table.dim() == 1, "scales"
    )
    _check(type(facts["run"]) is int and arrays["outer"].dim() == 1, "scales of scales")
    _check("offset" not in arrays or arrays["offset"].shape == (1,), "one offset a matrix")
    return _beside("nested", parts)


def _beside(kind: str, parts: Parts) -> float:
    """Return the bits that one matrix stores beside its codes, after its weights were made once."""
    arrays, facts, shape, _ = parts
    quantized = KINDS[kind](**{**arrays, **{name: _tuple(value) for name, value in facts.items()}})
    values = quantized.dequantize()
    if values.shape != shape or values.dtype != torch.float32:
        raise WrongError(f"returned weights of shape {tuple(values.shape)}")
    if not bool(torch.isfinite(values).all()):
        raise WrongError("returned weights that are NaN or infinite")
    return 8.0 * float(quantized.side_bytes())


#: What is tested of each kind; what is returned are the bits that a matrix stores beside its codes.
_TESTS: dict[str, Callable[[Parts], float]] = {
    "matrix": _matrix,
    "levels": _levels,
    "grid": _grid,
    "codebook": _codebook,
    "additive": _additive,
    "vectors": _vectors,
    "nested": _nested,
}
