"""The user's cache: where derived things lie, keys by content, and writes that are whole or absent.

Everything in the cache can be made again, so deleting it costs time and nothing else.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def cache_dir(room: str) -> Path:
    """Return (and make) the cache folder of ``room``, below ``$MOLMIS_CACHE`` or the user's cache folder."""
    root = os.environ.get("MOLMIS_CACHE") or platformdirs.user_cache_dir("molmis", appauthor=False)
    folder = Path(root) / room
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def content_key(*parts: object) -> str:
    """Return a 16-digit hexadecimal key of ``parts``.

    Bytes enter as they are; everything else as JSON with sorted keys, so equal content gives equal keys
    on every machine. Lengths enter too, so that parts cannot run into one another.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it once the block has ended without an error.

    A reader therefore sees the old file, the new file or none, never a part, also after SIGKILL.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
