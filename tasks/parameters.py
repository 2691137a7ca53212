"""Parameters given in a name, such as ``gaussian-modes:modes=8,noise=0.2``, checked against a dataclass."""

from dataclasses import Field, field, fields
from typing import Any, TypeVar, get_type_hints

from molecules.errors import MolmisError, UnknownNameError

T = TypeVar("T")


def bounded(default: Any, low: float, high: float) -> Any:
    """Return a dataclass field of a number within [low, high]."""
    return field(default=default, metadata={"low": low, "high": high})


def parse_parameters(cls: type[T], name: str, text: str) -> T:
    """Return the parameters that ``text`` gives; those that it leaves out have their defaults.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are all numbers made by :func:`bounded`.
    name : str
        What has these parameters, for messages: ``"gaussian-modes"``.
    text : str
        ``parameter=value,parameter=value``.

    Raises
    ------
    UnknownNameError
        If there is no such parameter.
    MolmisError
        If a value is missing, given twice, no number, or out of range; the message says what is allowed.
    """
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]  # said above
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in known:
            hint = f"All of them: {', '.join(known)}; write {name}:parameter=value,..."
            raise UnknownNameError(f"parameter of {name}", key, known, hint)
        if key in values:
            raise MolmisError(f"task {name}:{text}: {key} is given twice; give it once")
        values[key] = _number(f"task {name}:{text}", known[key], value, hints[key])
    return cls(**values)


def canonical(name: str, parameters: object) -> str:
    """Return ``name`` with those parameters that are not the defaults, in declared order."""
    given = [
        f"{f.name}={getattr(parameters, f.name)}"
        for f in fields(parameters)  # type: ignore[arg-type]  # an instance of a dataclass
        if getattr(parameters, f.name) != f.default
    ]
    return f"{name}:{','.join(given)}" if given else name


def _number(where: str, known: Field[Any], value: str, kind: type) -> Any:
    low, high = known.metadata["low"], known.metadata["high"]
    try:
        number = kind(value)
    except ValueError:
        number = None
    if number is None or not low <= number <= high:  # NaN compares false
        what = "a whole number" if kind is int else "a number"
        raise MolmisError(
            f"{where}: {known.name}={value!r} is not allowed; give {what} from {low:,} to {high:,}"
        )
    return number
