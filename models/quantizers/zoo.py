"""Choosing quantizers: groups of the zoo in table order, and specifications.

A specification names a family and its parameters: ``ternary:sparsity=0.8``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from importlib.metadata import version
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer
from models.quantizers.library import ROWS, require
from models.quantizers.user_file import from_file, from_package, installed, is_user_file
from molecules.errors import MolmisError, UnknownNameError

#: The quantizers of the tables and figures, in the order of their rows.
PAPER = (
    "float32",
    *(f"uniform-{bits}" for bits in (8, 6, 5, 4, 3, 2)),
    *(f"ternary-{percent}" for percent in (33, 50, 75, 90)),
    "sign",
)

#: Where a quantizer is from that is nobody's file.
_PACKAGE = "an installed package"
#: Names that stand for several quantizers.
GROUPS = ("paper", "all", "controls", "libraries")


def zoo_names(group: str = "paper") -> tuple[str, ...]:
    """Return the names of a group of quantizers, in table order.

    Table order: with a scale before without, then from many bits to few, then by name (which puts less
    sparsity before more). A quantizer registered by a new file finds its place by itself.

    Parameters
    ----------
    group : {"paper", "all", "controls", "libraries"}
        ``paper``: the twelve with a scale that the tables show; ``all``: every registered quantizer that is
        no control and needs no library, so that it is the same everywhere; ``controls``: pruning, noise, and
        a constant, to compare with; ``libraries``: those that call a library of the extra ``[quant]``,
        installed or not.

    Raises
    ------
    UnknownNameError
        If there is no such group.
    """
    if group == "paper":
        return PAPER
    if group not in GROUPS:
        raise UnknownNameError("group of quantizers", group, GROUPS)

    def place(item: tuple[str, Quantizer]) -> tuple[bool, float, str]:
        name, quantizer = item
        return (not quantizer.adaptive, -quantizer.bits, name)

    members: list[tuple[str, Quantizer]] = list(ROWS.items())
    if group != "libraries":
        own = [item for item in QUANTIZERS.items() if item[1].library is None]
        members = [item for item in own if item[1].control == (group == "controls")]
    return tuple(name for name, _ in sorted(members, key=place))


def split_names(text: str) -> list[str]:
    """Return the quantizer names in a text that separates them by commas, semicolons or blanks.

    A piece ``parameter=value`` belongs to the specification before it, so
    ``sign,uniform:bits=7,scale=none`` are two names.
    """
    if is_user_file(text.strip()) and Path(text.strip()).is_file():  # its name may hold blanks
        return [text.strip()]
    names: list[str] = []
    for piece in re.split(r"[,;\s]+", text.strip()):
        if "=" in piece and ":" not in piece and names and ":" in names[-1]:
            names[-1] += f",{piece}"
        elif piece:
            names.append(piece)
    return names


def resolve(names: Sequence[str]) -> dict[str, Quantizer]:
    """Return the quantizers that ``names`` stand for, by canonical name and in the order given.

    Parameters
    ----------
    names : sequence of str
        Each a registered name (``sign``), a group (``paper``, ``all``), a specification
        ``family:parameter=value,...`` (``uniform:bits=7,scale=none``), a Python file of the user's
        (``path/to/mine.py``, ``path/to/mine.py:function``), or what an installed package offers. What is
        named twice comes once.

    Returns
    -------
    dict of str to Quantizer
        A specification's canonical name is the registered name of an equal quantizer, if there is one, else
        its text with the parameters in declared order, values written out, and defaults left out.

    Raises
    ------
    UnknownNameError
        If a name, a family or a parameter is unknown.
    MolmisError
        If a specification is malformed, a value is not allowed, a user's file holds no quantizer, two
        different ones have one name, or a library is not installed.
    """
    chosen: dict[str, Quantizer] = {}
    for name in names:
        text = name.strip()
        if text in GROUPS:
            chosen.update((member, _member(member)) for member in zoo_names(text))
        elif is_user_file(text) and text.partition(":")[0] not in FAMILIES:
            for own, quantizer in from_file(text).items():
                _add_own(chosen, own, quantizer, text)
        elif text in installed():
            _add_own(chosen, text, from_package(text), _PACKAGE)
        elif text in QUANTIZERS or text in ROWS:
            chosen[text] = _member(text)
        elif ":" in text:
            quantizer = _parse(text)
            chosen[canonical_name(quantizer)] = quantizer
        else:
            family = f"{text} is a family: write {_usage(text)}. " if text in FAMILIES else ""
            hint = (
                f"{family}Groups: {', '.join(GROUPS)}; own parameters: family:parameter=value,...; "
                "your own: path/to/mine.py"
            )
            raise UnknownNameError("quantizer", text, {*QUANTIZERS, *ROWS, *installed()}, hint)
    return chosen


def _member(name: str) -> Quantizer:
    """Return the quantizer of a registered name; say so where it needs a library that is not installed."""
    if name in ROWS:
        require(ROWS[name], name)
    return QUANTIZERS[name]


def described(quantizer: Quantizer) -> str:
    """Return the printable specification of a quantizer, with its name in the zoo where it has one."""
    try:
        text = f"{canonical_name(quantizer)} = {quantizer!r}"
    except UnknownNameError:  # the user's own
        text = repr(quantizer)
    if quantizer.library is not None:
        text += f", {quantizer.library} {version(quantizer.library)}"
    return text[:400]


def _add_own(chosen: dict[str, Quantizer], name: str, quantizer: Quantizer, where: str) -> None:
    """Add a quantizer of the user's; refuse a name that stands for another one."""
    taken = QUANTIZERS[name] if name in QUANTIZERS else chosen.get(name)
    reserved = name in GROUPS or name in FAMILIES or (name in ROWS and taken is None)
    if reserved or (taken is not None and taken.identity() != quantizer.identity()):
        advice = "NAME = 'my-quantizer' in the file, or @quantizer(name=...)"
        if where == _PACKAGE:
            advice = "the name of its entry point"
        raise MolmisError(
            f"the quantizer of {where} is called {name!r}, a name that stands for something else; give it "
            f"another: {advice}"
        )
    chosen[name] = quantizer


def refuse_taken(name: str, chosen: Iterable[str] = ()) -> None:
    """Refuse a name for a new quantizer that stands for something else already.

    Parameters
    ----------
    name : str
        What it is to be called.
    chosen : iterable of str
        Names of quantizers beside it that are not in the zoo.

    Raises
    ------
    MolmisError
        If a quantizer, a family or a group has that name.
    """
    if name in {*QUANTIZERS, *ROWS, *FAMILIES, *GROUPS, *installed(), *chosen}:
        raise MolmisError(f"the name {name!r} stands for something else in the zoo; choose another one")


def is_of_zoo(name: str) -> bool:
    """Tell whether a canonical name is that of a quantizer of this project, and of nobody's own file."""
    return name in {*QUANTIZERS, *ROWS} or name.partition(":")[0] in FAMILIES


def canonical_name(quantizer: Quantizer) -> str:
    """Return the registered name of ``quantizer``, or else the specification that :func:`resolve` reads back.

    Raises
    ------
    UnknownNameError
        If it is neither registered nor of a registered family.
    """
    for name, member in QUANTIZERS.items():
        if member == quantizer:
            return name
    for family, cls in FAMILIES.items():
        if type(quantizer) is cls:
            given = [
                f"{field.name}={_written(getattr(quantizer, field.name))}"
                for field in _parameters(cls)
                if getattr(quantizer, field.name) != field.default
            ]
            return f"{family}:{','.join(given)}"
    raise UnknownNameError("quantizer family", type(quantizer).__name__, FAMILIES)


def _written(value: object) -> str:
    return canonical_name(value) if isinstance(value, Quantizer) else str(value)


def _usage(family: str) -> str:
    """Return how a quantizer of a family is written, with the parameters that it needs."""
    cls = FAMILIES[family]
    hints = get_type_hints(cls)
    needed = [f"{f.name}={_allowed(hints[f.name])}" for f in _parameters(cls) if f.default is MISSING]
    return f"{family}:{','.join(needed)}"


def _parse(text: str) -> Quantizer:
    """Return the quantizer of one specification ``family:parameter=value,...``."""
    family, _, rest = text.partition(":")
    if family not in FAMILIES:
        raise UnknownNameError("quantizer family", family, FAMILIES, f"It was given in {text!r}.")
    cls = FAMILIES[family]
    require(cls, family)
    hints = get_type_hints(cls)
    known = {field.name: hints[field.name] for field in _parameters(cls)}
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in known:
            raise UnknownNameError(f"parameter of {family}", key, known, f"It was given in {text!r}.")
        if not equals or key in values:
            raise MolmisError(f"quantizer {text!r}: give {key} once, as {key}={_allowed(known[key])}")
        values[key] = _convert(text, key, value, known[key])
    missing = [f.name for f in _parameters(cls) if f.default is MISSING and f.name not in values]
    if missing:
        wanted = ",".join(f"{key}={_allowed(known[key])}" for key in missing)
        raise MolmisError(f"quantizer {text!r}: {', '.join(missing)} is missing; write {family}:{wanted}")
    try:
        return cls(**values)
    except ValueError as error:
        raise MolmisError(f"quantizer {text!r}: {error}") from None


def _parameters(cls: type[Quantizer]) -> Iterable[Field[Any]]:
    """Return the dataclass fields of a family, in declared order."""
    return fields(cls)  # type: ignore[arg-type]  # every family is a dataclass, the base class is none


def _convert(text: str, key: str, value: str, kind: Any) -> Any:
    """Return ``value`` as the type ``kind`` of the parameter ``key``."""
    for one in _alternatives(kind):
        if get_origin(one) is Literal:
            if value in get_args(one):
                return value
        elif one is Quantizer:
            return _member(value)  # an unknown name is told there
        elif one is not NoneType:
            try:
                return one(value)
            except ValueError:
                continue  # told below, with what is allowed
    raise MolmisError(f"quantizer {text!r}: {key}={value!r} is not allowed; write {key}={_allowed(kind)}")


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one type."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _allowed(kind: Any) -> str:
    """Say in a word or two which values a type has."""
    if len(parts := _alternatives(kind)) > 1:
        return "|".join(_allowed(part) for part in parts if part is not NoneType)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    words = {int: "INTEGER", float: "NUMBER", Quantizer: "NAME"}
    return words.get(kind, str(getattr(kind, "__name__", kind)))
