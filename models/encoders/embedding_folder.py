"""The folder that ``python -m models.embed`` writes: where what lies in it, and whether it is finished."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from molecules.cache import content_key, file_sha256
from molecules.errors import DataError

#: The account of the folder; the folders of embeddings and of rows that have none; the column of vectors.
MANIFEST, PARTS, DROPPED, VECTORS = "manifest.json", "parts", "dropped", "embedding"
#: What the file says of itself, so that another file of its name is not taken for it.
FORMAT = "molmis embeddings"


def is_folder(path: Path) -> bool:
    """Tell whether a path is of such a folder."""
    return (path / MANIFEST).is_file()


def read_manifest(folder: Path) -> Mapping[str, Any] | None:
    """Return the account of a folder of embeddings; None if it has none.

    Raises
    ------
    DataError
        If it is damaged, or a file of another kind.
    """
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); put it back, or name another folder") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise DataError(f"{path} is no account of embeddings; name another folder")
    return told


def part_files(folder: Path) -> list[Path]:
    """Return the files of embeddings of a finished folder, in the order of their rows.

    Raises
    ------
    DataError
        If the folder is none of embeddings, is not finished, or lacks a part.
    """
    told = read_manifest(folder)
    if told is None:
        raise DataError(f"{folder} is a folder without {MANIFEST}; python -m models.embed writes such ones")
    if told.get("counts") is None:
        raise DataError(
            f"the embeddings in {folder} are not finished; give the command that began them once more"
        )
    # a number of more digits stands after one of fewer
    files = sorted((folder / PARTS).glob("part-*.parquet"), key=lambda path: (len(path.name), path.name))
    if len(files) != told["counts"]["parts"]:
        raise DataError(
            f"{folder} holds {len(files)} of {told['counts']['parts']} parts; give the command that made "
            "them once more, which makes what is missing"
        )
    return files


def folder_hash(folder: Path) -> str:
    """Return a hash of all embeddings of a finished folder."""
    return content_key([[path.name, file_sha256(path)] for path in part_files(folder)])
