"""One part of a file: its rows cleaned and embedded, written as a Parquet file, and found again.

Everything of a part depends on its rows and the encoder alone: not on other parts, nor on which process made
it. Molecules that stand in several rows of a part are embedded once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.encoders.embedding_folder import DROPPED, PARTS, VECTORS
from molecules.cache import atomic_write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.encoders.base import Encoder

#: Why a row has no embedding: no SMILES, one that RDKit refuses, an embedding that is no finite number.
REASONS = ("empty", "unparseable", "not_finite")


@dataclass(frozen=True)
class Part:
    """Rows of a file, as they are written in it.

    Attributes
    ----------
    number : int
        Of the part, from 0.
    first : int
        Its first row, counted from 1 below the header; blank lines are none.
    texts : list of str
        SMILES.
    names : list of str or None
        What the rows are called, where a column of names was asked for.
    """

    number: int
    first: int
    texts: list[str]
    names: list[str] | None = None


@dataclass(frozen=True)
class Counts:
    """What became of rows.

    Attributes
    ----------
    rows : int
        Given.
    embedded : int
        With an embedding.
    molecules : int
        Different ones among these, within each part.
    mixtures : int
        Rows of several fragments, such as salts, among these; kept as they are.
    dropped : mapping of str to int
        By reason, see ``REASONS``.
    parts : int
        Parts that this is the account of.
    """

    rows: int = 0
    embedded: int = 0
    molecules: int = 0
    mixtures: int = 0
    dropped: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    parts: int = 1

    def __add__(self, other: "Counts") -> "Counts":
        """Return the account of both."""
        dropped = {reason: self.dropped[reason] + other.dropped[reason] for reason in REASONS}
        numbers = ("rows", "embedded", "molecules", "mixtures", "parts")
        return Counts(
            dropped=dropped, **{name: getattr(self, name) + getattr(other, name) for name in numbers}
        )


def part_file(folder: Path, number: int) -> Path:
    """Return where the embeddings of a part stand."""
    return folder / PARTS / f"part-{number:06d}.parquet"


def dropped_file(folder: Path, number: int) -> Path:
    """Return where the rows of a part stand that have no embedding; there is none where all have one."""
    return folder / DROPPED / f"dropped-{number:06d}.parquet"


def make_part(part: Part, encoder: "Encoder", dimensions: int, folder: Path, key: str) -> Counts:
    """Clean and embed the rows of a part, and write what came out, whole or not at all.

    Parameters
    ----------
    part : Part
        The rows.
    encoder : Encoder
        Prepared.
    dimensions : int
        Of an embedding.
    folder : Path
        Where to.
    key : str
        Hash of everything that embeddings depend on: :func:`finished_part` asks for it.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    import numpy as np

    clean, reasons = _cleaned(part.texts)
    molecules = list(dict.fromkeys(text for text in clean if text))
    vectors = _embedded(encoder, molecules, dimensions)
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    place = {text: row for row, text in enumerate(molecules)}
    for row, text in enumerate(clean):
        if text and not finite[place[text]]:
            reasons[row] = "not_finite"
    kept = [row for row, reason in enumerate(reasons) if not reason]
    counts = Counts(
        rows=len(clean),
        embedded=len(kept),
        molecules=int(finite.sum()),
        mixtures=sum("." in clean[row] for row in kept),
        dropped={reason: reasons.count(reason) for reason in REASONS},
    )
    facts = {"key": key, "part": part.number, "counts": asdict(counts)}
    lost = [row for row, reason in enumerate(reasons) if reason]
    if lost:  # first, so that a part that is there is there with all that belongs to it
        columns = {"written": [part.texts[row] for row in lost], "reason": [reasons[row] for row in lost]}
        _write(dropped_file(folder, part.number), {**_labels(part, lost), **columns}, facts)
    columns = {
        "smiles": [clean[row] for row in kept],
        VECTORS: _lists(vectors, [place[clean[r]] for r in kept]),
    }
    _write(part_file(folder, part.number), {**_labels(part, kept), **columns}, facts)
    return counts


def finished_part(folder: Path, number: int, key: str) -> tuple[Counts | None, str]:
    """Return the account of a part that is there whole, and what is wrong where it is not.

    Both files are read to the end, page by page, and the checksums of the pages are held against them.

    Parameters
    ----------
    folder : Path
        Where from.
    number : int
        Of the part.
    key : str
        What it must depend on.

    Returns
    -------
    counts : Counts or None
        None where the part is to be made.
    wrong : str
        Empty where nothing is, or no such part is there.
    """
    path = part_file(folder, number)
    if not path.exists():
        return None, ""
    facts = {"key": key, "part": number}
    told, rows = _checked(path)
    if told is None or {name: told.get(name) for name in facts} != facts:
        return None, f"{path} is damaged or of another origin, and is made again"
    counts = Counts(**told["counts"])
    lost = sum(counts.dropped.values())
    beside = _checked(dropped_file(folder, number)) if lost else (told, 0)
    if (rows, lost) != (counts.embedded, beside[1]) or beside[0] != told:
        return None, f"{dropped_file(folder, number)} does not belong to {path.name}; both are made again"
    return counts, ""


def _checked(path: Path) -> tuple[dict[str, Any] | None, int]:
    """Return what a file says of itself and its number of rows; None where it is not whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            told = json.loads(file.schema_arrow.metadata[b"molmis"])
            rows = sum(batch.num_rows for batch in file.iter_batches(batch_size=4096))
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None, 0
    return (told, rows) if isinstance(told, dict) else (None, 0)


def _cleaned(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the clean SMILES of every row and why there is none, as of the rows of a task."""
    from rdkit import rdBase

    from molecules.parse import read_smiles
    from tasks.label_columns import is_missing

    with rdBase.BlockLogs():
        read = [read_smiles("" if is_missing(text) else text) for text in texts]
    return [smiles for smiles, _ in read], [reason for _, reason in read]


def _embedded(encoder: "Encoder", molecules: list[str], dimensions: int) -> "NDArray[np.float32]":
    import numpy as np

    vectors = np.empty((len(molecules), dimensions), dtype=np.float32)
    done = 0
    for block in encoder.stream(molecules):
        vectors[done : done + len(block)] = block
        done += len(block)
    return vectors


def _labels(part: Part, rows: Sequence[int]) -> dict[str, Any]:
    """Return the columns that tell which rows of the source these are."""
    import pyarrow as pa

    numbers = {"row": pa.array([part.first + row for row in rows], pa.int64())}
    if part.names is None:
        return numbers
    return {**numbers, "id": pa.array([part.names[row] for row in rows], pa.string())}


def _lists(vectors: "NDArray[np.float32]", places: Sequence[int]) -> Any:
    """Return rows of a matrix as a column of lists of one length."""
    import numpy as np
    import pyarrow as pa

    chosen = vectors[np.asarray(places, dtype=np.intp)]
    return pa.FixedSizeListArray.from_arrays(pa.array(chosen.reshape(-1)), vectors.shape[1])


def _write(path: Path, columns: Mapping[str, Any], facts: Mapping[str, object]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {
        name: pa.array(column, pa.string()) for name, column in columns.items() if isinstance(column, list)
    }
    table = pa.table({**columns, **texts}, metadata={"molmis": json.dumps(facts)})
    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=False, write_page_checksum=True)
