"""Molecules that encoders are pretrained on: those that come with RDKit, or those of a file of the user's.

They are parsed once on a machine: what they became is kept in the cache, under the content of the files.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from molecules.cache import atomic_write, cache_dir, content_key, environment, file_sha256
from molecules.errors import DataError
from molecules.parse import canonical, is_empty, parse_all
from molecules.progress import SILENT, Progress

#: Fewer molecules than this teach nothing.
FEWEST = 100
#: Raised when the rules change by which molecules are read from a file.
_VERSION = 1
#: Molecules that are parsed at once.
_BLOCK = 4096


@dataclass(frozen=True)
class MoleculeFile:
    """A file of molecules, known by its content.

    Attributes
    ----------
    sha256 : str
        Of the content.
    path : Path or None
        Where it is; None if that is not known here, which is enough where the trained weights are.
    """

    sha256: str
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def at(cls, path: Path, told: str = "--pretrain-on") -> "MoleculeFile":
        """Return the file at a path.

        Parameters
        ----------
        path : Path
            Where it is.
        told : str
            What names it, for the message.

        Raises
        ------
        DataError
            If there is none.
        """
        try:
            return cls(file_sha256(path), path)
        except OSError as error:
            raise DataError(f"{told}: {path} cannot be read ({error.strerror or error})") from None


#: What was read in this process: every cell that is calibrated on public molecules asks for them.
_READ: dict[MoleculeFile | None, tuple[str, ...]] = {}


@cache
def molecule_files() -> tuple[Path, Path]:
    """Return the NCI and the WEHI file of the RDKit installation."""
    from rdkit import RDConfig

    data = Path(RDConfig.RDDataDir)
    return data / "NCI" / "first_5K.smi", data / "Pains" / "test_data" / "wehi_mols.csv"


def pretraining_smiles(
    limit: int | None = None, source: MoleculeFile | None = None, progress: Progress = SILENT
) -> list[str]:
    """Return the distinct canonical SMILES of the pretraining molecules, in file order.

    Parameters
    ----------
    limit : int or None
        Only the first so many of them.
    source : MoleculeFile or None
        A file of the user's; None for the molecules that come with RDKit.
    progress : Progress
        Listener.

    Raises
    ------
    DataError
        If the file is not to be had, or holds too few molecules.
    """
    if source not in _READ:
        _READ[source] = _all_smiles(source, progress)
    return list(_READ[source][:limit])


def _all_smiles(source: MoleculeFile | None, progress: Progress) -> tuple[str, ...]:
    hashes = [source.sha256] if source is not None else [file_sha256(path) for path in molecule_files()]
    key = content_key(_VERSION, hashes, environment()["rdkit"])
    path = cache_dir("encoders") / f"molecules-{key}.smi"
    kept = _read(path)
    if kept is not None:
        return kept
    found = tuple(dict.fromkeys(_parsed(list(_raw(source)), progress)))
    if len(found) < FEWEST:
        where = source.path if source is not None else "RDKit's files"
        raise DataError(
            f"{where} holds {len(found)} different molecules that can be read; pretraining takes {FEWEST} "
            "or more, one SMILES a line or a column called smiles"
        )
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join([content_key(list(found)), *found]))
    return found


def _read(path: Path) -> tuple[str, ...] | None:
    """Return the molecules of a cached file; None if there is none, or it is not what was written."""
    try:
        told, *found = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return tuple(found) if told == content_key(found) else None


def _parsed(raw: list[str], progress: Progress) -> Iterator[str]:
    """Yield the canonical SMILES of those that can be read."""
    with progress.stage("reading pretraining molecules", len(raw)) as step:
        for start in range(0, len(raw), _BLOCK):
            block = parse_all(raw[start : start + _BLOCK])
            yield from (canonical(mol) for mol in block if mol is not None and not is_empty(mol))
            step(len(block))


def _raw(source: MoleculeFile | None) -> Iterator[str]:
    """Yield SMILES as they are written."""
    if source is None:
        nci, wehi = molecule_files()
        yield from (line.split()[0] for line in nci.read_text().splitlines() if line.strip())
        with wehi.open(newline="") as stream:
            yield from (row[0] for row in csv.reader(stream) if row)
    elif source.path is None:
        raise DataError(
            f"the encoder was pretrained on a file of molecules (SHA-256 {source.sha256[:16]}...) that is "
            "not named here, and its weights are not in the cache; export the model with --with-encoder"
        )
    else:
        yield from _of_file(source.path)


def _of_file(path: Path) -> Iterator[str]:
    """Yield the SMILES of a table with a header that names them, or the first word of every line."""
    from tasks.table_file import SMILES_NAMES

    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as stream:
            first = stream.readline().rstrip("\r\n")
            separator = next((mark for mark in "\t,;" if mark in first), None)
            header = [name.strip().strip('"').lower() for name in first.split(separator)]
            places = [place for place, name in enumerate(header) if name in SMILES_NAMES]
            if not places:
                yield from _words([first])
                yield from _words(stream)
            elif separator is None:
                yield from _words(stream)
            else:
                rows = csv.reader(stream, delimiter=separator)
                yield from (row[places[0]] for row in rows if len(row) > places[0])
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise DataError(f"--pretrain-on: {path} cannot be read as a list of SMILES ({error})") from None


def _words(lines: Iterable[str]) -> Iterator[str]:
    """Yield the first word of every line; what stands after a blank, a comma or a semicolon is a name."""
    for line in lines:
        words = line.replace(",", " ").replace(";", " ").split()
        if words:
            yield words[0]
