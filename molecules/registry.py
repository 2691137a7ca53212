"""A registry of named things: duplicates raise, unknown names list the nearest valid ones."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from molecules.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names and what they stand for, in order of registration.

    Parameters
    ----------
    kind : str
        What is registered, in words, for messages: ``"task"``, ``"encoder"``, ``"quantizer"``.
    package : str, optional
        A package whose modules register themselves when imported. It is walked once, on first use, so
        that adding a thing is adding one file. An import that fails is raised, never skipped.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._walked = package is None
        self._members: dict[str, T] = {}

    def add(self, name: str, member: T) -> T:
        """Register ``member`` under ``name``; a name already taken raises ``ValueError``."""
        if name in self._members:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._members[name] = member
        return member

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under ``name``."""
        return lambda member: self.add(name, member)

    def _walk(self) -> None:
        if self._walked or self._package is None:
            return
        self._walked = True
        package = importlib.import_module(self._package)
        for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
            if module == "__main__":  # a command line, which registers nothing
                continue
            importlib.import_module(f"{self._package}.{module}")

    def __getitem__(self, name: str) -> T:
        self._walk()
        try:
            return self._members[name]
        except KeyError:
            raise UnknownNameError(
                self.kind, name, self._members, f"All of them: --list {self.kind}s."
            ) from None

    def __iter__(self) -> Iterator[str]:
        self._walk()
        return iter(self._members)

    def __len__(self) -> int:
        self._walk()
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        self._walk()
        return name in self._members

    def items(self) -> Iterator[tuple[str, T]]:
        """Iterate over names and members, in order of registration."""
        self._walk()
        return iter(self._members.items())
