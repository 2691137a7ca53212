"""What a folder of embeddings is made of and by, so that only what belongs together is put into it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.embed.part import Counts
from models.encoders.embedding_folder import FORMAT, MANIFEST, PARTS
from molecules.cache import atomic_write, content_key
from molecules.cleaning_report import RULES_VERSION
from molecules.errors import DataError

#: Raised when the layout of parts changes.
_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """Everything that the parts of a folder depend on.

    Attributes
    ----------
    source : mapping of str to object
        ``name``, ``bytes`` and ``sha256`` of the file.
    columns : mapping of str to (str or None)
        ``smiles`` and ``id``, as they are called in it.
    encoder : mapping of str to object
        ``name``, ``key`` and ``recipe``.
    part_size : int
        Rows of a part.
    environment : mapping of str to str
        Versions of libraries, and the kind of device.
    """

    source: Mapping[str, object]
    columns: Mapping[str, str | None]
    encoder: Mapping[str, object]
    part_size: int
    environment: Mapping[str, str]

    @property
    def key(self) -> str:
        """Hash of what embeddings depend on; not of the name of the file."""
        source, encoder = self.source["sha256"], self.encoder["key"]
        return content_key(
            _VERSION,
            RULES_VERSION,
            source,
            dict(self.columns),
            encoder,
            self.part_size,
            dict(self.environment),
        )

    def check(self, folder: Path, told: Mapping[str, Any] | None) -> None:
        """Refuse a folder whose embeddings are of something else.

        Parameters
        ----------
        folder : Path
            For the message.
        told : mapping or None
            Its account, if it has one.

        Raises
        ------
        DataError
            If it has one and that is of another file, encoder, part size or environment; or if it has none
            and yet holds parts.
        """
        if told is None:
            if any((folder / PARTS).glob("*.parquet")):
                raise DataError(
                    f"{folder} holds parts and no {MANIFEST} that says of what; name another --out"
                )
            return
        if told.get("key") == self.key:
            return
        raise DataError(
            f"{folder} was begun with {self._other(told)}; name another --out for this, or give the command "
            "that began it"
        )

    def _other(self, told: Mapping[str, Any]) -> str:
        """Say what the parts of a folder are of, and this is not."""
        own = json.loads(json.dumps(asdict(self)))
        try:
            before, now = told["source"], own["source"]
            if before["sha256"] != now["sha256"]:
                sizes = f"{before['bytes']:,} bytes; here {now['name']}, {now['bytes']:,}"
                return f"another content of the file: {before['name']}, {sizes}"
            for name, column in own["columns"].items():
                if told["columns"][name] != column:
                    return f"--{name}-column {told['columns'][name]}, here {column}"
            if told["encoder"]["key"] != own["encoder"]["key"]:
                before, now = told["encoder"]["name"], own["encoder"]["name"]
                return f"--encoder {before}" + (f", here {now}" if before != now else " of another recipe")
            if told["part_size"] != own["part_size"]:
                return f"--part-size {told['part_size']}, here {own['part_size']}"
            for name, version in own["environment"].items():
                if told["environment"].get(name) != version:
                    return f"{name} {told['environment'].get(name)}, here {version}"
        except (KeyError, TypeError):
            pass  # told by an earlier version of this project
        return "another version of molmis"

    def write(
        self, folder: Path, dimensions: int, counts: Counts | None = None, more: int | None = None
    ) -> None:
        """Write the account of a folder.

        Parameters
        ----------
        folder : Path
            Where to.
        dimensions : int
            Of an embedding.
        counts : Counts or None
            What became of all rows; None while it is not finished.
        more : int or None
            Different molecules of the whole file.
        """
        told: dict[str, object] = {
            "format": FORMAT,
            "key": self.key,
            **asdict(self),
            "dimensions": dimensions,
        }
        told["counts"] = None if counts is None else {**asdict(counts), "molecules_in_all": more}
        with atomic_write(folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
