"""What a submission may use, what is said where it did something else, and how strangers' text is shown."""

from dataclasses import dataclass

from molecules.errors import MolmisError

#: Raised when what goes over the pipes, or what is accepted from them, changes.
PROTOCOL = 1

#: Characters of a stranger's text that are shown.
SHOWN = 200


class SandboxError(MolmisError):
    """What a submission did that it must not do, in one sentence that begins with its file.

    Parameters
    ----------
    name : str
        The file.
    deed : str
        What it did: a verb and what follows it.
    """

    def __init__(self, name: str, deed: str) -> None:
        self.name, self.deed = name, deed
        super().__init__(f"{name} {deed}")


@dataclass(frozen=True)
class Limits:
    """What a submission may use; the figures that hold where nobody chooses.

    Attributes
    ----------
    seconds : float
        Of wall-clock time for one matrix, and for loading the file.
    start : float
        Of wall-clock time until an interpreter with the libraries stands, before the file is loaded.
    total : float
        Of wall-clock time for all matrices together.
    processor : int
        Seconds of processor time of one process; one that comes near is replaced by a fresh one.
    memory : int
        Bytes of address space beyond what interpreter and libraries take.
    source : int
        Bytes of the file.
    output : int
        Bytes that a process may print.
    files : int
        Open files of a process.
    """

    seconds: float = 60.0
    start: float = 120.0
    total: float = 3600.0
    processor: int = 600
    memory: int = 1 << 30
    source: int = 1 << 20
    output: int = 1 << 16
    files: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise MolmisError(f"limit of the sandbox: {name} must be above 0, not {value!r}")


def plain(text: str, shown: int = SHOWN) -> str:
    """Return a stranger's text as one short line: no control characters, no marks that turn the direction."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 8 * shown]).split())
    return line if len(line) <= shown else f"{line[: shown - 1]}…"


def size(count: float) -> str:
    """Return a number of bytes in words: ``64 KiB``."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:g} {unit}"
    return f"{count:g} bytes"
