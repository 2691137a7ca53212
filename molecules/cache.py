"""The user's cache: where derived things lie, keys by content, and writes that are whole or absent.

Everything in the cache can be made again, so deleting it costs time and nothing else.
"""

import glob
import hashlib
import importlib.metadata
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from molecules.errors import DataError

#: Seconds after which a part that a killed process left behind is taken away.
_STALE = 24 * 3600
#: Seconds that a process waits for its turn to write.
_PATIENCE = 600


def cache_dir(room: str) -> Path:
    """Return the cache folder of ``room``, below ``$MOLMIS_CACHE`` or the user's cache; writing makes it."""
    root = os.environ.get("MOLMIS_CACHE") or platformdirs.user_cache_dir("molmis", appauthor=False)
    return Path(root) / room


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


def environment(device: str = "cpu") -> dict[str, str]:
    """Return what computed tensors depend on beside their recipe: versions of the libraries, and the device.

    Rounding differs between versions of torch and between kinds of device; RDKit's releases change molecules.
    """
    versions = {package: importlib.metadata.version(package) for package in ("torch", "rdkit")}
    return {**versions, "device": device.split(":")[0]}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def writable(folder: Path, option: str) -> Path:
    """Make a folder and check that files can be written in it.

    Parameters
    ----------
    folder : Path
        What the user named, or the cache.
    option : str
        How the user names it, for the message: ``"--out"``.

    Raises
    ------
    DataError
        If it cannot be made or written in.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{option}: cannot write in {folder} ({reason}); name another folder") from None


def writable_file(path: Path, option: str) -> Path:
    """Make the folder of a file and check that the file can be written there; see :func:`writable`.

    Raises
    ------
    DataError
        If the folder cannot be made or written in, or ``path`` is a folder itself.
    """
    if path.is_dir():
        raise DataError(f"{option}: {path} is a folder and a file is to be written there; name another place")
    writable(path.parent, option)
    return path


def cannot_write(path: Path, error: Exception) -> DataError:
    """Return the error of a file that could not be written, in one line."""
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return DataError(f"cannot write {path} ({reason}); free some space, or name another place")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it once the block has ended without an error.

    A reader therefore sees the old file, the new file or none, never a part, also after SIGKILL.

    Raises
    ------
    DataError
        If the file cannot be written, as on a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale_parts(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from None
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale_parts(path: Path) -> None:
    """Take away the parts that processes killed long ago left of this file."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(FileNotFoundError):  # another process has just put its own in place
            if time.time() - part.stat().st_mtime > _STALE:
                part.unlink()


@contextmanager
def exclusive(folder: Path, wait: bool = True) -> Iterator[None]:
    """Let one process at a time into the block, of all that name the same folder.

    The lock is the operating system's, so a process that is killed lets go of it.

    Parameters
    ----------
    folder : Path
        The folder.
    wait : bool
        Whether to wait for another process, ten minutes at most.

    Raises
    ------
    DataError
        If the lock file cannot be written, or another process holds it.
    """
    lock = FileLock(folder / ".lock", timeout=_PATIENCE if wait else 0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        long = f"has been writing in {folder} for {_PATIENCE // 60} minutes"
        doing = long if wait else f"writes in {folder}"
        raise DataError(
            f"another process {doing}; end it if it is stopped, and give the same command again"
        ) from None
    except OSError as error:
        raise cannot_write(folder / ".lock", error) from None
    try:
        yield
    finally:
        lock.release()
