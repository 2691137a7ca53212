"""InChIKeys of molecules: what tells that two canonical SMILES are of one substance.

Canonical SMILES keep a molecule as it is drawn. Many tautomers, and a charge that is drawn here or there,
have SMILES of their own and one InChIKey; the first block of the key, the *connectivity*, is the same for
stereoisomers, isotopes and other states of protonation, too. InChI takes a quarter to half a millisecond a
molecule, so keys are kept in the cache, under the SMILES and the versions of RDKit and InChI.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from rdkit import Chem, __version__, rdBase
from rdkit.Chem import rdinchi

from molecules.cache import atomic_write, cache_dir, content_key
from molecules.errors import DataError
from molecules.parse import as_molecule
from molecules.progress import SILENT, Progress, counted

#: Letters of the first block of an InChIKey.
CONNECTIVITY = 14


def inchikeys(smiles: Sequence[str], progress: Progress = SILENT) -> list[str]:
    """Return the standard InChIKey of every molecule, in order; empty where InChI refuses it.

    Parameters
    ----------
    smiles : sequence of str
        Canonical SMILES.
    progress : Progress
        Listener.

    Raises
    ------
    DataError
        If a SMILES cannot be parsed; the message gives its position.
    """
    known = cached_inchikeys(smiles, progress)
    if known is not None:
        return known
    keys: list[str] = []
    key_of: Callable[[Chem.Mol], str] = Chem.MolToInchiKey
    with progress.stage("InChIKeys", len(smiles)) as advance, rdBase.BlockLogs():
        for place, text in counted(enumerate(smiles), advance):  # one remark a stereocentre otherwise
            keys.append(key_of(as_molecule(text, place)))
    path = _path(smiles)
    try:
        with atomic_write(path) as temporary:
            temporary.write_text("\n".join([content_key(path.stem, keys), *keys]))
    except DataError as error:  # a full or read-only disk costs the cache, not the run
        progress.note(f"InChIKeys are not cached: {error}")
    return keys


def cached_inchikeys(smiles: Sequence[str], progress: Progress = SILENT) -> list[str] | None:
    """Return what :func:`inchikeys` kept of these molecules; None if nothing, or, with a note, damaged."""
    path = _path(smiles)
    if not path.is_file():
        return None
    try:
        content, *keys = path.read_text().split("\n")
    except (OSError, ValueError):
        content, keys = "", []
    if content == content_key(path.stem, keys):  # nor is it a copy of another one
        return keys
    progress.note(f"cached InChIKeys {path} are damaged and are made again")
    return None


def _path(smiles: Sequence[str]) -> Path:
    key = content_key(list(smiles), __version__, rdinchi.GetInchiVersion())
    return cache_dir("inchikeys") / f"{key}.txt"
