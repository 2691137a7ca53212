"""Tensors in the cache: safetensors files that say what they are and whether they are what was written.

The metadata of a file holds the key of everything its tensors depend on, and a hash of their content. A file
that is truncated, has flipped bits, or was copied from elsewhere is noticed by both and made again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from molecules.cache import atomic_write, cannot_write
from molecules.progress import SILENT, Progress


def save_tensors(path: Path, tensors: Mapping[str, Tensor], key: str) -> str:
    """Write tensors to ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
        Where to.
    tensors : mapping of str to Tensor
        By name.
    key : str
        Hash of everything they depend on: :func:`read_tensors` asks for it.

    Returns
    -------
    str
        Hash of the content, as :func:`stored_content` reads it back.

    Raises
    ------
    DataError
        If the file cannot be written, as on a full disk.
    """
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = content_of(kept)
    with atomic_write(path) as temporary:
        try:
            save_file(kept, temporary, metadata={"molmis": json.dumps({"key": key, "content": content})})
        except SafetensorError as error:  # what a full disk is told as
            raise cannot_write(path, error) from None
    return content


def read_tensors(path: Path, key: str, progress: Progress = SILENT) -> dict[str, Tensor] | None:
    """Return the tensors of a cached file; None, with a note if it is not what it should be, to make them.

    Parameters
    ----------
    path : Path
        Where from; need not exist.
    key : str
        What the tensors must depend on.
    progress : Progress
        Is told of a file that is damaged or holds something else.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = _told(file.metadata())
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        progress.note(f"cache: {path} is damaged ({error}); making it again")
        return None
    if told.get("key") != key:
        progress.note(f"cache: {path} holds something else than its name says; making it again")
        return None
    if told.get("content") != content_of(tensors):
        progress.note(f"cache: {path} is damaged (its content is not what was written); making it again")
        return None
    return tensors


def stored_content(path: Path, key: str) -> str | None:
    """Return the hash of the content that a file says it has, reading its head only.

    None if there is no such file, or it was written for another key.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = _told(file.metadata())
    except (SafetensorError, OSError, ValueError):
        return None
    return told["content"] if told.get("key") == key and "content" in told else None


def content_of(tensors: Mapping[str, Tensor]) -> str:
    """Return a hash of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        values = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        digest.update(values)  # type: ignore[arg-type]  # an array of bytes is a buffer
    return digest.hexdigest()[:32]


def _told(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return what a file says of itself; nothing for a file of other making."""
    told = json.loads((metadata or {}).get("molmis", "{}"))
    return told if isinstance(told, dict) else {}
