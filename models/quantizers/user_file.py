"""Quantizers of one's own: from a Python file, or installed under an entry point.

A file is run as Python runs it, with all rights of whoever runs it: only files of one's own, or ones that
have been read.
"""

import importlib.metadata
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from models.quantizers.adapter import from_matrix_function
from models.quantizers.base import QUANTIZERS, Quantizer
from molecules.cache import file_sha256
from molecules.errors import MolmisError

#: Group of entry points that installed quantizers register under.
ENTRY_POINTS = "molmis.quantizers"


def is_file(text: str) -> bool:
    """Tell whether a text names a Python file, with or without ``:name`` behind it."""
    return text.endswith(".py") or ".py:" in text


def from_file(text: str) -> dict[str, Quantizer]:
    """Return the quantizers of a Python file by name.

    Parameters
    ----------
    text : str
        ``path/to/mine.py``, all of them; or ``path/to/mine.py:name``, one. They are instances of
        :class:`Quantizer`, subclasses that need no parameters, and public functions of one matrix; ``BITS``
        in the file (or as an attribute of a function) says how many bits functions take, ``SCALED`` whether
        they promise Q(a w) = a Q(w), ``EXCEPTIONS`` which checks they do not keep, and why.

    Returns
    -------
    dict of str to Quantizer
        A single one by the name of the file, several by ``file:name``.

    Raises
    ------
    MolmisError
        If the file is not there, does not run, or holds none.
    """
    path_text, _, wanted = text.partition(".py:")
    path = Path(path_text if path_text.endswith(".py") else f"{path_text}.py")
    module = _module(path)
    found = {name: made for name, value in vars(module).items() if (made := _quantizer(module, name, value))}
    if wanted:
        if wanted not in found:
            raise MolmisError(
                f"quantizer {text!r}: {path} holds {', '.join(found) or 'none'}, not {wanted!r}"
            )
        found = {wanted: found[wanted]}
    if not found:
        raise MolmisError(
            f"quantizer {text!r}: {path} holds none; write a function of one matrix and BITS = ..., or a "
            "subclass of Quantizer; see docs/extending.md"
        )
    named = {path.stem: next(iter(found.values()))} if len(found) == 1 else {}
    named = named or {f"{path.stem}:{name}": made for name, made in found.items()}
    taken = [name for name in named if name in QUANTIZERS]
    if taken:
        raise MolmisError(f"quantizer {text!r}: {taken[0]} is a name of the zoo; give the file another one")
    return named


def installed() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the quantizers that installed packages register, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def from_entry_point(name: str) -> Quantizer:
    """Return an installed quantizer.

    Raises
    ------
    MolmisError
        If it cannot be imported, or is none.
    """
    try:
        value = installed()[name].load()
    except Exception as error:
        raise MolmisError(
            f"quantizer {name!r}: {type(error).__name__} while it was loaded: {error}"
        ) from error
    made = _quantizer(sys.modules[value.__module__], name, value) if hasattr(value, "__module__") else None
    if made is None:
        raise MolmisError(f"quantizer {name!r}: its entry point is neither a quantizer nor a function")
    return made


def _module(path: Path) -> ModuleType:
    """Run a file and return it as a module, named by its content."""
    if not path.is_file():
        raise MolmisError(f"quantizer file {path} is not there; give the path of a Python file")
    name = f"molmis_user_{path.stem}_{file_sha256(path)[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MolmisError(f"quantizer file {path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        line = _line_of(error, path)
        raise MolmisError(f"quantizer file {path}{line}: {type(error).__name__}: {error}") from error
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """Return the line of the file at which it failed, as text."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    trace, line = error.__traceback__, ""
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            line = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _quantizer(module: ModuleType, name: str, value: object) -> Quantizer | None:
    """Return the quantizer that a public value of a module is; None if it is none."""
    if name.startswith("_"):
        return None
    if isinstance(value, Quantizer):
        return value
    if getattr(value, "__module__", None) != module.__name__:
        return None  # imported, not written there
    if inspect.isclass(value) and issubclass(value, Quantizer) and not inspect.isabstract(value):
        try:
            return value()
        except TypeError as error:
            raise MolmisError(
                f"{module.__file__}: {name} needs parameters ({error}); add a line such as mine = {name}(...)"
            ) from None
    if not inspect.isfunction(value):
        return None
    bits = getattr(value, "BITS", getattr(module, "BITS", None))
    if not isinstance(bits, int | float) or not bits >= 0:
        raise MolmisError(f"{module.__file__}: write BITS = ..., the bits per weight that {name} takes")
    scaled = bool(getattr(value, "SCALED", getattr(module, "SCALED", False)))
    exceptions = getattr(value, "EXCEPTIONS", getattr(module, "EXCEPTIONS", {}))
    return from_matrix_function(value, float(bits), scaled=scaled, exceptions=exceptions)
