"""Tables of embeddings that were read in this process, so that a suite reads each of them once."""

from collections import OrderedDict
from pathlib import Path

from models.encoders.embedding_folder import folder_hash, is_folder
from models.encoders.embedding_table import EmbeddingTable, read_embeddings
from molecules.cache import file_sha256
from molecules.errors import DataError

#: Bytes of vectors that are kept, beside the table that was used last, which may be larger.
MOST_BYTES = 1 << 30

#: Tables by the hash of their file and its endings, which decide how it is read; the one used last is last.
_KEPT: OrderedDict[tuple[str, str], EmbeddingTable] = OrderedDict()


def kept_embeddings(path: Path) -> tuple[str, EmbeddingTable]:
    """Return the hash of a file and the table in it, read only if it is not the one of an earlier call.

    A file is known by its content: hashing it costs little beside parsing it, and what was written anew in
    the same moment, or lies elsewhere too, is not mistaken.

    Raises
    ------
    DataError
        As :func:`models.encoders.embedding_table.read_embeddings`.
    """
    try:
        sha256 = folder_hash(path) if is_folder(path) else file_sha256(path)
    except FileNotFoundError:
        raise DataError(f"--encoder: there is no file {path}") from None
    except OSError as error:
        raise DataError(f"--encoder: {path} cannot be read ({error.strerror or error})") from None
    key = (sha256, "".join(path.suffixes).lower())
    table = _KEPT.pop(key, None)
    if table is None:
        table = read_embeddings(path)
        table.vectors.setflags(write=False)  # several encoders have the same ones
    _KEPT[key] = table
    while len(_KEPT) > 1 and sum(kept.vectors.nbytes for kept in _KEPT.values()) > MOST_BYTES:
        _KEPT.popitem(last=False)
    return sha256, table
