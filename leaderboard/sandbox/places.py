"""What a submission may read: the standard library, a few packages, the code of the quantizers. Nothing else.

Site-packages are not given as a whole: the wheel of RDKit carries measured labels of tasks.
"""

import importlib.metadata
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from molecules.errors import MolmisError

#: Distributions that a submission may import, with all that these require; platformdirs is asked for by the
#: code of the quantizers.
GIVEN = ("numpy", "scipy", "torch", "platformdirs")
#: Folders of our code that are read, by the package that each lies in. What packages do when they are
#: imported is left out: they only hold names together.
_CODE = {"models": "models/quantizers", "molecules": "molecules", "leaderboard": "leaderboard/sandbox"}
#: Single files that these import.
_FILES = ("models/entry_points.py",)
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Places:
    """Paths, none of them with a symbolic link in it.

    Attributes
    ----------
    python : Path
        The interpreter, without the environment around it.
    library : Path
        Its standard library.
    standard : tuple of Path
        What of the standard library is read: all but the packages installed there.
    sites : tuple of Path
        Folders where packages are looked for.
    packages : tuple of Path
        What is read of these.
    code : tuple of Path
        Folders and files of our code.
    rooms : dict of str to str
        Our packages, and the folders that they are taken for.
    shared : tuple of Path
        Folders and files of shared libraries.
    masked : tuple of Path
        Folders of packages that lie in one of the above, and are not given as a whole.
    names : frozenset of str
        What may be imported.
    """

    python: Path
    library: Path
    standard: tuple[Path, ...]
    sites: tuple[Path, ...]
    packages: tuple[Path, ...]
    code: tuple[Path, ...]
    rooms: dict[str, str]
    shared: tuple[Path, ...]
    masked: tuple[Path, ...]
    names: frozenset[str]

    @property
    def readable(self) -> tuple[Path, ...]:
        """Everything that is read, folders with what is in them."""
        return (*self.standard, *self.packages, *self.code, *self.shared)


@cache
def places() -> Places:
    """Return what a submission may read on this machine.

    Raises
    ------
    MolmisError
        If numpy is not installed as a package whose files are known.
    """
    python, library = Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib")).resolve()
    standard = sorted(path for path in library.iterdir() if not path.name.endswith("-packages"))
    packages = sorted(set(_packages()))
    sites = sorted({path.parent for path in packages})
    names = {path.name.removesuffix(".py") for path in packages}
    if "numpy" not in names:
        raise MolmisError("the sandbox does not find the files of numpy; install it with pip")
    shared = tuple(dict.fromkeys(_shared()))
    masked = [path for root in (library, *shared) if root.is_dir() for path in root.glob("*-packages")]
    masked += [path for root in shared if root.is_dir() for path in root.glob("python3*/*-packages")]
    names |= sys.stdlib_module_names | {
        path.stem for path in standard
    }  # how it was built is a file there, too
    rooms = {room: str(_ROOT / room) for room in _CODE}
    return Places(
        python=python,
        library=library,
        standard=tuple(standard),
        sites=tuple(sites),
        packages=tuple(packages),
        code=tuple(_ROOT / part for part in (*_CODE.values(), *_FILES)),
        rooms={**rooms, "leaderboard.sandbox": str(Path(__file__).resolve().parent)},
        shared=shared,
        masked=tuple(path.resolve() for path in masked if path.is_dir()),
        names=frozenset(names | set(_CODE)),
    )


def _packages() -> Iterator[Path]:
    """Yield what the distributions that are given have put into folders of packages."""
    seen: set[str] = set()
    todo = list(GIVEN)
    while todo:
        try:
            found = importlib.metadata.distribution(todo.pop())
        except importlib.metadata.PackageNotFoundError:
            continue
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        if name in seen:
            continue
        seen.add(name)
        wanted = [text for text in found.requires or () if "extra ==" not in text]
        todo += [match[0] for text in wanted if (match := re.match(r"[\w.-]+", text))]
        # not .files: it makes an object of each of torch's fifteen thousand
        listed = (found.read_text("RECORD") or found.read_text("installed-files.txt") or "").splitlines()
        tops = {line.split("/", 1)[0].split(",", 1)[0].strip('"') for line in listed} - {"..", ""}
        site = Path(str(found.locate_file(""))).resolve()
        yield from (path for path in (site / top for top in tops) if path.exists() and path.suffix != ".pth")


def _shared() -> Iterator[Path]:
    """Yield where shared libraries lie: those of the system, and that of the interpreter."""
    kind = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [Path(root) / kind for root in ("/usr/lib", "/lib")] if kind else []
    folders += [Path("/usr/lib64"), Path("/lib64")]
    own = Path(str(sysconfig.get_config_var("LIBDIR") or "/usr/lib"))
    for path in (*folders, *sorted(own.glob("libpython*"))):
        if path.exists():
            yield path
            yield path.resolve()
