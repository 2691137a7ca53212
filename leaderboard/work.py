"""What of an unfinished submission is done: it lies beside the submissions, in a hidden folder."""

import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.execute import result_path
from leaderboard.contained import Measured
from leaderboard.folder import SOURCE
from leaderboard.manifest import CellEntry, Containment, Strict
from leaderboard.protocol import Place
from molecules.cache import atomic_write, content_key, environment, file_sha256
from molecules.errors import DataError


class Done(Strict):
    """A cell that is done."""

    entry: CellEntry
    containment: Containment
    versions: dict[str, str]
    commit: str
    program: str

    @classmethod
    def of(cls, entry: CellEntry, measured: Measured) -> "Done":
        """Return what is kept of a measured cell."""
        facts: Mapping[str, Any] = measured.result.facts
        return cls(
            entry=entry,
            containment=_containment(measured.containment),
            versions={"python": platform.python_version(), **facts["versions"]},
            commit=facts["commit"],
            program=program(),
        )


def program() -> str:
    """Return a hash of what decides whether a cell is kept: versions of libraries and of figures."""
    from benchmark.plan import BANK_VERSION, EVALUATION_VERSION, derived_keys

    return content_key(environment(), BANK_VERSION, EVALUATION_VERSION, derived_keys())


def _containment(record: Mapping[str, object]) -> Containment:
    """Return what a manifest says of how the code was run."""
    level = str(record.get("containment", "none"))
    skipped = {"containment", "source", "matrices", "repeated"}
    walls = {
        name: value
        for name, value in record.items()
        if name not in skipped and isinstance(value, bool | int | str) and value != ""
    }
    return Containment(level=level, walls=walls)


@dataclass(frozen=True)
class Work:
    """The folder of an unfinished submission.

    Attributes
    ----------
    folder : Path
        It holds the source, ``results`` and ``done``.
    """

    folder: Path

    @classmethod
    def of(cls, beside: Path, name: str, sha256: str) -> "Work":
        """Return the folder of a submission of this very file; that of an earlier file goes away."""
        made = cls.at(beside, name, sha256)
        for other in made.folder.parent.glob("*"):
            if other != made.folder:
                shutil.rmtree(other, ignore_errors=True)
        return made

    @classmethod
    def at(cls, beside: Path, name: str, sha256: str) -> "Work":
        """Return the folder of a submission of this very file, which need not be there."""
        return cls(_place(beside, name) / sha256[:16])

    @classmethod
    def clear(cls, beside: Path, name: str) -> None:
        """Take away what is no longer needed once a submission is whole."""
        shutil.rmtree(_place(beside, name), ignore_errors=True)

    @property
    def source(self) -> Path:
        """The submitted file."""
        return self.folder / SOURCE

    @property
    def results(self) -> Path:
        """Folder of its results."""
        return self.folder / "results"

    def keep_source(self, content: bytes) -> None:
        """Write the submitted file, as it was when it was read."""
        with atomic_write(self.source) as temporary:
            temporary.write_bytes(content)

    def result(self, measured: Measured) -> Path:
        """Return the file of a measured cell."""
        return result_path(self.results, measured.cell)

    def fresh(self, name: str) -> Path:
        """Return an empty folder."""
        path = self.folder / name
        try:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        except OSError as error:
            raise DataError(f"cannot write {path} ({error.strerror or error})") from None
        return path

    def done(self, place: Place) -> Done | None:
        """Return what is known of a finished cell; None where it is to be measured."""
        try:
            made = Done.model_validate_json(self._done(place).read_bytes())
            whole = made.program == program() and all(
                file_sha256(self.folder / file.path) == file.sha256 for file in made.entry.files
            )
        except (OSError, ValidationError):
            return None
        return made if whole else None

    def keep(self, place: Place, done: Done) -> Done:
        """Keep that a cell is finished."""
        with atomic_write(self._done(place)) as temporary:
            temporary.write_text(json.dumps(done.model_dump(mode="json")), encoding="utf-8")
        return done

    def _done(self, place: Place) -> Path:
        return self.folder / "done" / f"{content_key([place.task, place.encoder, place.seed])}.json"


def _place(beside: Path, name: str) -> Path:
    return beside / f".{name}.work"
