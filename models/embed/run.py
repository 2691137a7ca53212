"""A file of molecules of any length becomes a folder of embeddings, in memory that does not grow with it."""

import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from models.embed.manifest import Manifest
from models.embed.part import Counts, Part, finished_part, part_file
from models.embed.workers import Work, workers
from models.encoders.declaration import declare
from models.encoders.embedding_folder import DROPPED, PARTS, read_manifest
from molecules.cache import environment, exclusive, file_sha256, writable
from molecules.errors import DataError, MolmisError
from molecules.progress import SILENT, Progress
from molecules.threads import allowed_threads
from tasks.table_stream import TableStream

if TYPE_CHECKING:
    from models.encoders.base import Encoder

#: Rows of a part where nobody says.
PART_SIZE = 20_000
#: Memory in which molecules are counted that stand in several parts; what is more goes to the disk.
_COUNTING = "256MB"
_MIB = 1 << 20


@dataclass(frozen=True)
class Embedded:
    """What became of a file.

    Attributes
    ----------
    folder : Path
        Where the embeddings are.
    counts : Counts
        Of all rows.
    molecules : int
        Different ones in all parts together.
    reused : int
        Parts that were there already.
    """

    folder: Path
    counts: Counts
    molecules: int
    reused: int

    def summary(self) -> str:
        """Return what became of the rows, for people."""
        told = self.counts
        words = {
            "empty": "without SMILES",
            "unparseable": "unparseable",
            "not_finite": "with an embedding that is no finite number",
        }
        dropped = [f"{count:,} {words[reason]}" for reason, count in told.dropped.items() if count]
        again = told.molecules - self.molecules
        lines = [
            f"{told.embedded:,} of {told.rows:,} rows embedded; dropped: {', '.join(dropped) or 'none'}",
            f"{self.molecules:,} different molecules; {told.embedded - told.molecules:,} rows repeat one of "
            f"their part, which is embedded once; {again:,} molecules were embedded again in other parts",
        ]
        if told.mixtures:
            lines.append(f"{told.mixtures:,} rows are salts or mixtures, kept as they are")
        lines.append(
            f"{told.parts:,} parts in {self.folder / PARTS}"
            + (f", {self.reused:,} of them from before" if self.reused else "")
        )
        return "\n".join(lines)


@dataclass
class _Source:
    """The file, read once to be checked and once to be embedded."""

    table: TableStream
    columns: list[str]
    part_size: int
    rows: int = 0
    seen: os.stat_result = field(init=False)

    def check(self, progress: Progress) -> str:
        """Read the file to the end, so that what is wrong in it is told at once; return its hash."""
        path = self.table.path
        self.seen = path.stat()
        with progress.stage("checking the file, MiB", self.seen.st_size // _MIB) as advance:
            self.rows = sum(1 for _ in self.table.rows(self.columns, partial(_in_mib, advance, [0])))
        sha256 = file_sha256(path)
        self._check_unchanged()
        return sha256

    def parts(self) -> Iterator[Part]:
        """Yield the rows, part by part."""
        texts: list[list[str]] = []
        number = 0
        for row in self.table.rows(self.columns):
            texts.append(row)
            if len(texts) == self.part_size:
                yield self._part(number, texts)
                texts, number = [], number + 1
        if texts:
            yield self._part(number, texts)
        self._check_unchanged()

    def _part(self, number: int, rows: Sequence[Sequence[str]]) -> Part:
        smiles, *names = (list(column) for column in zip(*rows, strict=True))
        return Part(number, number * self.part_size + 1, smiles, names[0] if names else None)

    def _check_unchanged(self) -> None:
        now = self.table.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.seen.st_size, self.seen.st_mtime_ns):
            raise DataError(
                f"{self.table.path} was changed while it was read; embed it again into another --out once it "
                "stays as it is"
            )


def embed_file(
    path: Path,
    encoder: "Encoder",
    out: Path,
    smiles: str | None = None,
    names: str | None = None,
    part_size: int = PART_SIZE,
    most_workers: int | None = None,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> Embedded:
    """Embed the molecules of a file; what is finished in the folder already is not made again.

    Parameters
    ----------
    path : Path
        A text table with a header, also with ``.gz``.
    encoder : Encoder
        Prepared here, once, and given to all processes; not quantized.
    out : Path
        Folder of the embeddings.
    smiles, names : str or None
        Columns of SMILES (None: the only one with a usual name) and of what rows are called (None: none).
    part_size : int
        Rows of a part.
    most_workers : int or None
        Processes; None for as many as there are cores, or as ``OMP_NUM_THREADS`` says.
    device : str
        Where embeddings are computed.
    progress : Progress
        Listener.

    Raises
    ------
    MolmisError
        If the file cannot be read, the folder holds something else, or a process is ended.
    """
    table = TableStream.of(path)
    columns = {"smiles": smiles or table.smiles_column(), "id": names}
    source = _Source(table, [name for name in columns.values() if name is not None], part_size)
    writable(out, "--out")
    with exclusive(out, wait=False):
        before = read_manifest(out)
        manifest = Manifest(
            source={} if before is None else before["source"],
            columns=columns,
            encoder={"name": encoder.name, "key": encoder.key, "recipe": encoder.recipe()},
            part_size=part_size,
            environment=environment(device),
        )
        manifest.check(out, before)  # what can be told before the file is read
        facts = {"name": path.name, "sha256": source.check(progress), "bytes": source.seen.st_size}
        manifest = replace(manifest, source=facts)
        manifest.check(out, before)
        work = _work(encoder, device, out, manifest.key, progress)
        manifest.write(out, work.dimensions)
        declare(out, encoder.labels(), encoder.seen())
        made = _made(source, work, most_workers or allowed_threads(), progress)
        molecules = _different(out, made.counts)
        manifest.write(out, work.dimensions, made.counts, molecules)
        _tidy(out)
        return Embedded(out, made.counts, molecules, made.reused)


def _work(encoder: "Encoder", device: str, out: Path, key: str, progress: Progress) -> Work:
    """Prepare the encoder, and return what processes are given."""
    from safetensors.torch import save

    fresh = pickle.dumps(encoder)
    encoder.prepare(device, progress)
    dimensions = encoder.encode(["C"]).shape[1]
    state = None
    if encoder.portable:
        learned = encoder.state()
        if learned.layers:
            raise MolmisError(f"the encoder {encoder.name} is quantized; files are embedded by others only")
        state = save({name: value.cpu().contiguous() for name, value in learned.kept.items()})
    return Work(fresh, state, device, dimensions, out, key)


@dataclass
class _Made:
    """What was made so far."""

    counts: Counts = field(default_factory=lambda: Counts(parts=0))
    reused: int = 0


def _made(source: _Source, work: Work, most: int, progress: Progress) -> _Made:
    """Make all parts that are not there."""
    made = _Made()
    with progress.stage("rows embedded", source.rows) as advance:

        def missing() -> Iterator[Part]:
            for part in source.parts():
                counts, wrong = finished_part(work.folder, part.number, work.key)
                if wrong:
                    progress.note(wrong)
                if counts is None:
                    yield part
                else:
                    made.counts, made.reused = made.counts + counts, made.reused + 1
                    advance(counts.rows)

        most = min(most, -(-source.rows // source.part_size))
        with workers(work, most) as crew:
            for counts in crew.make(missing()):
                made.counts += counts
                advance(counts.rows)
    return made


def _different(out: Path, counts: Counts) -> int:
    """Return how many different molecules stand in all parts together, counted on the disk if need be."""
    import duckdb
    import pyarrow.dataset as ds

    if counts.parts < 2:
        return counts.molecules
    room = out / ".counting"
    files = [str(part_file(out, number)) for number in range(counts.parts)]
    settings = {"memory_limit": _COUNTING, "temp_directory": str(room), "threads": 1}
    try:
        with duckdb.connect(config=settings) as connection:
            reader = ds.dataset(files, format="parquet").scanner(columns=["smiles"]).to_reader()
            connection.register("parts", reader)
            sql = "select count(*) from (select distinct smiles from parts)"
            (found,) = connection.execute(sql).fetchone()
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return int(found)


def _in_mib(advance: Callable[[int], None], rest: list[int], size: int) -> None:
    """Tell of whole MiB, and keep the bytes that are left for the next time."""
    whole, rest[0] = divmod(rest[0] + size, _MIB)
    advance(whole)


def _tidy(out: Path) -> None:
    """Take away what processes that were killed left half written."""
    for name in (PARTS, DROPPED):
        for path in (out / name).glob(".*.part"):
            with suppress(FileNotFoundError):
                path.unlink()
