"""A submission in its own process: its file run, what it says of itself, and its answer to one matrix.

A file that imports neither torch nor the quantizers is a function of NumPy's, and torch is never loaded.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from leaderboard.sandbox.frames import Array

#: Imports of a file that ask for torch, and for the quantizers behind it.
_HEAVY = frozenset({"torch", "models", "molecules"})
#: What a function says of itself in the file.
_TOLD = ("BITS", "NAME", "FORMULA", "REFERENCE", "SCALED")

#: An answer: what it is, and its arrays.
Answer = tuple[dict[str, Any], dict[str, Array]]


class DeedError(Exception):
    """What a submission did, in words that follow the name of its file."""


class Loaded:
    """A submission that was loaded.

    Attributes
    ----------
    facts : dict
        What it says of itself.
    answer : callable
        From a float32 matrix (out, in) to its answer.
    """

    def __init__(self, facts: dict[str, Any], answer: Callable[[Array], Answer]) -> None:
        self.facts, self.answer = facts, answer


def wants_torch(source: bytes) -> bool:
    """Whether a file imports torch or the quantizers; False where it cannot be read, which is told later."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return not _HEAVY.isdisjoint(name.partition(".")[0] for name in names)


def load(name: str, source: bytes, member: str | None, heavy: bool) -> Loaded:
    """Run the file, and return what it is.

    Parameters
    ----------
    name : str
        Of the file.
    source : bytes
        What stands in it.
    member : str or None
        Which of its quantizers; None where it has one.
    heavy : bool
        Whether torch and the quantizers are there.

    Raises
    ------
    DeedError
        If it is no quantizer.
    BaseException
        Whatever the file raises.
    """
    if heavy:
        from leaderboard.sandbox.load_class import load_any

        return load_any(name, source, member)
    module = ModuleType(f"submission_{re.sub(r'[^0-9a-zA-Z_]', '_', Path(name).stem)}")
    module.__file__ = name
    sys.modules[module.__name__] = module  # dataclasses look their module up while they are made
    exec(compile(source, name, "exec"), vars(module))  # noqa: S102  # this is what the sandbox is for
    return _of_function(_chosen(module, member), vars(module), Path(name).stem)


def _chosen(module: ModuleType, member: str | None) -> Callable[[Array], object]:
    """Return the function that is the quantizer, by the rules of :mod:`models.quantizers.user_file`."""
    functions = {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    wanted = member or (
        "quantize" if "quantize" in functions or len(functions) != 1 else next(iter(functions))
    )
    if wanted not in functions:
        if member is None and not functions:
            raise DeedError("holds no quantizer: write a function def quantize(matrix)")
        raise DeedError(f"holds no function {wanted!r}, but {', '.join(list(functions)[:6]) or 'none'}")
    return functions[wanted]


def _of_function(function: Callable[[Array], object], told: Mapping[str, Any], stem: str) -> Loaded:
    bits = told.get("BITS")
    if isinstance(bits, bool) or not isinstance(bits, int | float | np.number):
        given = "does not say" if bits is None else f"says {str(bits)[:40]!r}"
        raise DeedError(f"{given} how many bits a weight takes (write a line such as BITS = 4)")
    texts = {key.lower(): str(told[key]) for key in _TOLD[1:4] if told.get(key)}
    facts = {"name": stem, **texts, "bits": float(bits), "scaled": bool(told.get("SCALED", False))}
    return Loaded(facts, lambda matrix: answer_of(function(matrix), matrix.shape))


def answer_of(result: object, shape: tuple[int, ...]) -> Answer:
    """Return what a function returned for a matrix, as arrays.

    Raises
    ------
    DeedError
        If it is neither a matrix of that shape nor levels and codes.
    """
    if not isinstance(result, tuple):
        return {"kind": "matrix"}, {"matrix": numbers(result, shape).astype(np.float32)}
    if len(result) != 2:
        raise DeedError(f"returned {len(result)} things; give an array, or (levels, codes)")
    levels = numbers(result[0], None).astype(np.float32)
    codes = numbers(result[1], shape)
    if codes.dtype.kind not in "iu":
        raise DeedError(f"returned codes of type {codes.dtype}; return (levels, codes), codes as integers")
    return {"kind": "levels"}, {"levels": levels, "codes": smallest(codes)}


def numbers(value: object, shape: tuple[int, ...] | None) -> Array:
    """Return what should be an array of numbers, of a shape where one is asked for.

    Raises
    ------
    DeedError
        If it is not.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        held = "" if isinstance(value, np.ndarray) else f"{_article(type(value).__name__)}, that is "
        raise DeedError(f"returned {held}an array of {array.dtype} and not of numbers")
    if shape is not None and array.shape != shape:
        raise DeedError(f"returned an array of shape {array.shape}")
    if shape is None and array.ndim != 1:
        raise DeedError(f"returned levels of shape {array.shape} and not in one row")
    return array


def smallest(codes: Array) -> Array:
    """Return integers in the smallest type that goes over the pipe and holds them."""
    low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
    for dtype in (np.uint8, np.int16, np.int32):
        known = np.iinfo(dtype)
        if known.min <= low and high <= known.max:
            return codes.astype(dtype)
    return codes.astype(np.int64)


def line_of(error: BaseException, name: str) -> int | None:
    """Return the line of the file at which an error was raised, or None where it is not known."""
    number = error.lineno if isinstance(error, SyntaxError) else None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            number = trace.tb_lineno
        trace = trace.tb_next
    return number


def _article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
