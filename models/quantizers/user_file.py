"""Quantizers of one's own: from a Python file, or from an installed package.

A file holds one function of a matrix, with what it says of itself beside it (``BITS``, ``NAME``, ``FORMULA``,
``REFERENCE``, ``SCALED``); or functions with the decorator :func:`quantizer`; or subclasses or instances of
:class:`models.quantizers.base.Quantizer`. A package offers any of these as an entry point of the group
``molmis.quantizers``. The code is run as it is: use files of people you trust.
"""

import importlib.metadata
import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from models.entry_points import GROUP
from models.quantizers.adapter import MatrixFunction, MatrixQuantizer
from models.quantizers.base import QUANTIZERS, Quantizer, source_key
from molecules.cache import content_key
from molecules.errors import DataError, MolmisError, UnknownNameError

#: A path to a Python file, and which quantizer of it.
_PATH = re.compile(r"(?P<file>.+\.py)(?::(?P<member>[^:/\\]+))?")
#: Names that stand in tables, file names and lists.
_NAME = re.compile(r"[\w.+-]+")
#: Where a decorated function keeps what it says of itself.
_TOLD = "__molmis_quantizer__"
#: Where a loaded file keeps what it has registered in the zoo by itself.
_ADDED = "__molmis_added__"
#: Where a loaded file keeps what stands in it.
_CONTENT = "__molmis_content__"


@dataclass(frozen=True)
class UserFunction(MatrixQuantizer):
    """A function of one matrix from a user's file; see :class:`models.quantizers.adapter.MatrixQuantizer`.

    Parameters
    ----------
    name : str
        What the tables call it.
    source : str
        Hash of the file that it stands in.
    formula, reference : str
        The definition in one line, and where it comes from.
    """

    name: str = ""
    source: str = ""
    formula: str = field(default="a function of one matrix", repr=False)  # type: ignore[misc]
    reference: str = field(default="given by its author", repr=False)  # type: ignore[misc]

    def identity(self) -> str:
        """Return name, parameters, function and the hash of the file."""
        return f"{self!r} of {self.function.__qualname__}"


def quantizer(
    *, bits: float, name: str = "", formula: str = "", reference: str = "", scaled: bool = False
) -> Callable[[MatrixFunction], MatrixFunction]:
    """Return a decorator that says of a function of one matrix what a quantizer says of itself.

    Parameters
    ----------
    bits : float
        Nominal bits per weight: no matrix may have more than 2^bits levels.
    name : str
        What the tables call it; that of the file and the function if empty.
    formula, reference : str
        The definition in one line, and where it comes from.
    scaled : bool
        Whether it promises Q(a w) = a Q(w) for a > 0.
    """
    told = {"BITS": bits, "NAME": name, "FORMULA": formula, "REFERENCE": reference, "SCALED": scaled}

    def decorate(function: MatrixFunction) -> MatrixFunction:
        setattr(function, _TOLD, told)
        return function

    return decorate


def is_user_file(text: str) -> bool:
    """Whether a quantizer's name is the path of a Python file: ``mine.py`` or ``mine.py:function``."""
    return _PATH.fullmatch(text) is not None


def from_file(text: str) -> dict[str, Quantizer]:
    """Return the quantizers of a Python file, by name.

    Parameters
    ----------
    text : str
        ``path/to/mine.py`` for all of them, ``path/to/mine.py:member`` for one.

    Raises
    ------
    DataError
        If there is no such file, or its code raises an error when it is run.
    MolmisError
        If it holds no quantizer, or does not say what must be said of one.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise MolmisError(f"{text!r} is no path of a Python file; give path/to/mine.py")
    path = Path(match["file"])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"quantizer file {path} cannot be read ({error.strerror or error})") from None
    return from_source(path, content, match["member"])


def from_source(path: Path, content: bytes, member: str | None = None) -> dict[str, Quantizer]:
    """Return the quantizers of a Python file that was read already, by name.

    Parameters
    ----------
    path : Path
        What the file is called; it is not looked at.
    content : bytes
        What stands in it.
    member : str or None
        One of its objects; None for all of its quantizers.

    Raises
    ------
    DataError
        If its code raises an error when it is run.
    MolmisError
        If it holds no quantizer, or does not say what must be said of one.
    """
    module, source = _load(path, content)
    chosen = _found(path, module) if member is None else {member: _member(path, module, member)}
    alone = (
        list({**_special(module), **_functions(module)}) == list(chosen)[:1] if member else len(chosen) == 1
    )
    # a NAME beside several would stand for none of them
    told = {key: value for key, value in vars(module).items() if alone or key != "NAME"}
    found: dict[str, Quantizer] = {}
    for own, value in chosen.items():
        default = path.stem if alone else f"{path.stem}.{own}"
        name, made = _made(f"{path}: {own}", value, told, default, source)
        if name in found:
            raise MolmisError(f"{path}: two quantizers are called {name!r}; give each a name of its own")
        found[name] = made
    return found | getattr(module, _ADDED) if member is None else found


def sources_of(quantizers: Iterable[Quantizer]) -> list[tuple[str, bytes]]:
    """Return path and content of the users' files that quantizers are from: what another process needs."""
    found = {}
    for known in quantizers:
        for value in (type(known), getattr(known, "function", None)):
            module = sys.modules.get(getattr(value, "__module__", None) or "")
            if module is not None and hasattr(module, _CONTENT):
                found[str(Path(str(module.__file__)).resolve())] = getattr(module, _CONTENT)
    return [*found.items()]


def load_source(path: str, content: bytes) -> None:
    """Run a user's file under the name it has in every process, so that its quantizers can be sent there.

    Parameters
    ----------
    path : str
        What it is called.
    content : bytes
        What stands in it, as :func:`sources_of` gave it.

    Raises
    ------
    DataError
        If its code raises an error.
    """
    if not Path(path).exists():  # the code of a class is read again for what it is known by
        lines = content.decode(errors="replace").splitlines(keepends=True)
        linecache.cache[path] = (len(content), None, lines, path)
    _load(Path(path), content)


@cache
def installed() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the entry points of installed packages, by name.

    Raises
    ------
    MolmisError
        If two packages offer quantizers of one name.
    """
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        known = found.setdefault(entry.name, entry)
        if known.value != entry.value:
            raise MolmisError(
                f"two installed packages offer the quantizer {entry.name!r} ({_package(known)}, "
                f"{_package(entry)}); uninstall one"
            )
    return found


def from_package(name: str) -> Quantizer:
    """Return the quantizer of an installed package's entry point.

    Raises
    ------
    MolmisError
        If it cannot be loaded, or is no quantizer.
    """
    entry = installed()[name]
    label = f"quantizer {name!r} of the package {_package(entry)}"
    try:
        value = entry.load()
        source = source_key(value if callable(value) else type(value))
    except Exception as error:  # noqa: BLE001  # whatever a package raises when it is imported
        raise MolmisError(f"{label} cannot be loaded: {_line(error)}") from None
    module = inspect.getmodule(value)
    return _made(label, value, vars(module) if module is not None else {}, name, source)[1]


def _package(entry: importlib.metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else entry.value


def _load(path: Path, content: bytes) -> tuple[ModuleType, str]:
    """Run a file as a module, once for each content, and return it with the hash of the content."""
    source = content_key(content)
    name = f"molmis_user_{re.sub(r'[^0-9a-zA-Z_]', '_', path.stem)}_{source}"
    if name in sys.modules:
        return sys.modules[name], source
    module = ModuleType(name)
    module.__file__ = str(path)
    setattr(module, _CONTENT, content)
    before = set(QUANTIZERS)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    try:
        # not by an import: that would trust a compiled file of the same second, and leave one behind
        exec(compile(content, str(path), "exec"), vars(module))  # noqa: S102  # what the user asks for
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a user's file raises is told
        del sys.modules[name]
        raise DataError(f"quantizer file {path} cannot be run: {_line(error, path)}") from None
    setattr(module, _ADDED, {added: QUANTIZERS[added] for added in QUANTIZERS if added not in before})
    return module, source


def _line(error: BaseException, path: Path | None = None) -> str:
    """Return an error in one line, with the line of the file where it was raised."""
    number = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if path is not None and trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    place = f" (line {number})" if number else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"


def _member(path: Path, module: ModuleType, name: str) -> object:
    """Return one object of a file."""
    if name not in vars(module):
        candidates = {**_special(module), **_functions(module)}
        raise UnknownNameError(f"quantizer in {path}", name, candidates)
    return vars(module)[name]


def _found(path: Path, module: ModuleType) -> dict[str, object]:
    """Return what of a file is a quantizer: what says so of itself, or else its one function."""
    special = _special(module)
    if special or getattr(module, _ADDED):
        return special
    functions = _functions(module)
    if "quantize" in functions:
        return {"quantize": functions["quantize"]}
    if len(functions) == 1:
        return functions
    if not functions:
        raise MolmisError(
            f"{path} holds no quantizer: write a function def quantize(matrix), from a NumPy matrix to the "
            "quantized one; see docs/extending.md"
        )
    raise MolmisError(
        f"{path} holds several functions ({', '.join(list(functions)[:6])}); say which, {path}:NAME, or call "
        "the one that quantizes quantize, or begin the names of the others with an underscore"
    )


def _special(module: ModuleType) -> dict[str, object]:
    """Return decorated functions, instances, and classes that can be made without arguments."""
    added = list(getattr(module, _ADDED).values())
    found: dict[str, object] = {}
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_") or any(value is other for other in added):
            continue
        of_class = own and _is_quantizer_class(value) and not (added or inspect.isabstract(value))
        if of_class or isinstance(value, Quantizer) or (own and hasattr(value, _TOLD)):
            found[name] = value
    classes = {type(value) for value in found.values()}
    return {name: value for name, value in found.items() if value not in classes}


def _functions(module: ModuleType) -> dict[str, object]:
    """Return the functions that are defined in a file, without those that begin with an underscore."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def _is_quantizer_class(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Quantizer)


def _made(
    label: str, value: Any, beside: Mapping[str, Any], default: str, source: str
) -> tuple[str, Quantizer]:
    """Return name and quantizer of an object.

    Parameters
    ----------
    label : str
        What it is, for messages.
    value : object
        A function, a subclass or an instance of Quantizer.
    beside : mapping
        What stands in the file beside it, ``NAME`` and ``BITS`` among it.
    default : str
        Its name where it has none.
    source : str
        Hash of the file.
    """
    told = getattr(value, _TOLD, beside)
    name = str(told.get("NAME") or default)
    if _NAME.fullmatch(name) is None:
        raise MolmisError(f"{label}: the name {name!r} must be of letters, digits, '.', '-', '+' and '_'")
    if isinstance(value, Quantizer):
        return name, _checked(label, value)
    if _is_quantizer_class(value):
        try:
            return name, _checked(label, value())
        except TypeError as error:
            raise MolmisError(
                f"{label}: the class cannot be made without arguments ({error}); give its parameters "
                "defaults, or put an instance into the file"
            ) from None
    if not callable(value) or inspect.isclass(value):
        raise MolmisError(f"{label} is neither a function nor a Quantizer")
    return name, _function(label, value, told, name, source)


def _function(label: str, value: Any, told: Mapping[str, Any], name: str, source: str) -> UserFunction:
    """Return the quantizer of a function."""
    bits = told.get("BITS")
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not bits > 0:
        given = "does not say" if bits is None else f"says {bits!r}"
        raise MolmisError(
            f"{label} {given} how many bits a weight takes; write BITS = 4 (a number) into the file, or "
            "@quantizer(bits=4) before the function"
        )
    texts = {
        key.lower(): " ".join(str(told[key]).split()) for key in ("FORMULA", "REFERENCE") if told.get(key)
    }
    return UserFunction(value, float(bits), bool(told.get("SCALED", False)), name, source, **texts)


def _checked(label: str, made: Quantizer) -> Quantizer:
    """Return a quantizer of a class, after checking that it says what it must say of itself."""
    missing = [name for name in ("bits", "formula", "reference") if not hasattr(made, name)]
    if missing:
        raise MolmisError(f"{label}: the class lacks {', '.join(missing)}; see docs/extending.md")
    if " at 0x" in made.identity():
        raise MolmisError(
            f"{label}: its printed form holds an address, so that it is another one in every run; make the "
            "class a frozen dataclass"
        )
    return made
