"""Embeddings that were computed elsewhere: a table of molecules and vectors, read and checked.

- ``.npz``: an array ``smiles`` or ``inchikey`` of texts, and ``embeddings``, (molecules, dimensions);
- ``.parquet``: a column ``smiles`` or ``inchikey``, and either one column of lists or one column a dimension;
- ``.csv``, ``.tsv``, also with ``.gz``: a column ``smiles`` or ``inchikey``, and one column a dimension;
- a folder that ``python -m models.embed`` wrote.
"""

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.embedding_folder import VECTORS, is_folder, part_files
from molecules.errors import DataError
from molecules.parse import canonical, is_empty, parse_all

#: What files of embeddings end in.
ENDINGS = (".npz", ".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz")
#: What columns are called that pandas writes for the index of a table.
_INDEX = re.compile(r"|unnamed: \d+|index|__index_level_\d+__", re.IGNORECASE)
_KEYS = ("smiles", "canonical_smiles", "inchikey", "inchi_key")


@dataclass(frozen=True)
class EmbeddingTable:
    """Embeddings by molecule.

    Attributes
    ----------
    inchikeys : bool
        Whether molecules are named by InChIKey, else by canonical SMILES.
    places : dict of str to int
        Row of each molecule.
    vectors : ndarray of float32, shape (rows, dimensions)
        All finite.
    unreadable : int
        Rows whose SMILES is none.
    columns : tuple of str
        Names of the dimensions, where they stand in columns of their own.
    """

    inchikeys: bool
    places: dict[str, int]
    vectors: NDArray[np.float32]
    unreadable: int = 0
    columns: tuple[str, ...] = ()

    def rows(self, smiles: Sequence[str]) -> list[int | None]:
        """Return the row of each molecule, given as canonical SMILES; None where there is none."""
        if not self.inchikeys:
            return [self.places.get(text) for text in smiles]
        from molecules.inchikeys import inchikeys

        return [self.places.get(key) for key in inchikeys(smiles)]


def read_embeddings(path: Path) -> EmbeddingTable:
    """Read and check a table of embeddings.

    Raises
    ------
    DataError
        If the file is damaged, has another shape, holds a number that is not finite, or two different vectors
        for one molecule.
    """
    if is_folder(path):
        return _folder(path)
    read = {".npz": _npz, ".parquet": _parquet}.get(path.suffix.lower(), _text)
    key, names, vectors, columns = read(path)
    numbered = [name for name in columns if _INDEX.fullmatch(name)]
    if numbered:
        raise DataError(
            f"{path}: the column {numbered[0]!r} looks like numbers of rows, which are no embedding; write "
            "the table without its index (index=False)"
        )
    if vectors.ndim != 2 or not vectors.size or len(names) != len(vectors):
        raise DataError(
            f"{path}: {len(names)} molecules and embeddings of the shape {vectors.shape} do not belong "
            "together; one row a molecule is needed, of at least one number"
        )
    wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(wrong):
        raise DataError(
            f"{path}: {len(wrong)} of {len(vectors)} embeddings hold a number that is not finite, "
            f"{_examples([names[row] for row in wrong])}; leave these molecules out, or embed them anew"
        )
    return replace(_by_molecule(path, "inchi" in key, names, vectors), columns=columns)


def _folder(path: Path) -> EmbeddingTable:
    """Return what ``models.embed`` wrote: clean SMILES, and of each the vector of its first row.

    Those of other parts are of the same encoder, and differ by rounding at most.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    places: dict[str, int] = {}
    vectors = []
    for file in part_files(path):
        try:
            table = pq.read_table(file, columns=["smiles", VECTORS], page_checksum_verification=True)
            column = table.column(VECTORS).combine_chunks()
            values = column.flatten().to_numpy().reshape(len(column), -1)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise DataError(
                f"{file} is damaged ({error}); give the command that made it once more, which makes it again"
            ) from None
        new = []
        for row, text in enumerate(table.column("smiles").to_pylist()):
            if text not in places:
                places[text] = len(places)
                new.append(row)
        vectors.append(values[new])
    if not places:
        raise DataError(f"{path}: none of its rows names a molecule that can be read")
    return EmbeddingTable(False, places, np.concatenate(vectors))


def _by_molecule(
    path: Path, inchikeys: bool, names: list[str], vectors: NDArray[np.float32]
) -> EmbeddingTable:
    """Return the table by molecule: canonical SMILES or InChIKey."""
    known = [name.strip() or None for name in names] if inchikeys else _canonical(names)
    places: dict[str, int] = {}
    differing = []
    for row, name in enumerate(known):
        if name is None:
            continue
        first = places.setdefault(name, row)
        if first != row and not np.array_equal(vectors[first], vectors[row]):
            differing.append(name)
    if differing:
        raise DataError(
            f"{path}: {len(set(differing))} molecules have several different embeddings, "
            f"{_examples(list(dict.fromkeys(differing)))}; leave one for each"
        )
    if not places:
        raise DataError(f"{path}: none of {len(names)} rows names a molecule that can be read")
    return EmbeddingTable(inchikeys, places, vectors, known.count(None))


def _canonical(names: Sequence[str]) -> list[str | None]:
    return [
        canonical(mol) if mol is not None and not is_empty(mol) else None for mol in parse_all(list(names))
    ]


def _examples(names: Sequence[str]) -> str:
    return "such as " + ", ".join(names[:3])


#: What reading gives: which column names molecules, their names, the vectors, and names of the dimensions.
_Read = tuple[str, list[str], NDArray[np.float32], tuple[str, ...]]


def _npz(path: Path) -> _Read:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name.lower(): file[name] for name in file.files}
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path} cannot be read as arrays ({error}); write texts as numpy.str_") from None
    key = _key(path, list(arrays))
    if "embeddings" not in arrays:
        raise DataError(f"{path} holds {', '.join(arrays)}; the array of vectors is to be called embeddings")
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in arrays[key].ravel()]
    return key, names, _numbers(path, arrays["embeddings"]), ()


def _parquet(path: Path) -> _Read:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet ({error})") from None
    keyed = [name.lower() if name.lower() in _KEYS else name for name in table.column_names]
    table = table.rename_columns(keyed)
    key = _key(path, table.column_names)
    others = [name for name in table.column_names if name not in _KEYS]
    lists = [name for name in others if pa.types.is_list(table.schema.field(name).type)
             or pa.types.is_large_list(table.schema.field(name).type)
             or pa.types.is_fixed_size_list(table.schema.field(name).type)]  # fmt: skip
    if lists:
        if len(others) > 1:
            raise DataError(f"{path} has a column of vectors, {lists[0]}, and others: {', '.join(others)}")
        rows = table.column(lists[0]).to_pylist()
        lengths = {len(row) if row is not None else 0 for row in rows}
        if len(lengths) > 1:
            raise DataError(
                f"{path}: vectors have different lengths, {sorted(lengths)[:4]}; all are to have one"
            )
        values = _numbers(path, np.array(rows))
    else:
        values = _numbers(
            path, np.stack([table.column(name).to_numpy() for name in others], 1) if others else []
        )
    columns = () if lists else tuple(others)
    return key, [str(name or "") for name in table.column(key).to_pylist()], values, columns


def _text(path: Path) -> _Read:
    from tasks.table_file import read_table

    table = read_table(path)
    header = [name.lower() for name in table.header]
    key = _key(path, header)
    place = header.index(key)
    others = [column for column, name in enumerate(header) if name not in _KEYS]
    numbers = _numbers(path, np.array([[row[column] for row in table.rows] for column in others]).T)
    return key, [row[place] for row in table.rows], numbers, tuple(table.header[column] for column in others)


def _key(path: Path, names: Sequence[str]) -> str:
    """Return which column or array names the molecules."""
    found = [name for name in names if name in _KEYS]
    if not found:
        raise DataError(
            f"{path} says nowhere which molecules the vectors are of; call a column or an array smiles or "
            f"inchikey. There are: {', '.join(names[:8])}"
        )
    return found[0]


def _numbers(path: Path, values: object) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):
            return np.asarray(values).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: not all embeddings are numbers ({error})") from None
