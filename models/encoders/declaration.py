"""What an outside encoder declares of itself, in a small JSON file beside it.

``embeddings.npz.json`` beside ``embeddings.npz``, or ``molmis.json`` in the folder of a checkpoint::

    {"labels": ["tox21", "clintox:FDA_APPROVED"], "molecules": "pretraining.smi"}

``labels`` are the tasks whose measured labels it was fitted on, an empty list if none; ``molecules`` a file
of those that it saw without labels. Both may be left out, which means that nobody says.
"""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from models.encoders.pretraining_molecules import MoleculeFile, pretraining_smiles
from molecules.errors import DataError, MolmisError
from tasks.catalogue import TASKS, get_task

_KNOWN = {"labels", "molecules"}
#: How like the name of a task a name is that was meant to be it.
_NEAR = 0.8


@dataclass(frozen=True)
class Declaration:
    """What an outside encoder was fitted on.

    Attributes
    ----------
    labels : tuple of str or None
        Tasks whose labels it was fitted on; None if nobody says.
    molecules : MoleculeFile or None
        Molecules that it saw without labels; None if nobody says.
    """

    labels: tuple[str, ...] | None = None
    molecules: MoleculeFile | None = None

    def recipe(self) -> dict[str, object]:
        """Return what is declared, JSON-able."""
        return {
            "labels": None if self.labels is None else list(self.labels),
            "molecules": None if self.molecules is None else self.molecules.sha256,
        }

    def seen(self) -> list[str] | None:
        """Return the molecules as canonical SMILES."""
        return None if self.molecules is None else pretraining_smiles(source=self.molecules)


class Declared:
    """An encoder that was made elsewhere: what it saw is what its declaration says."""

    declaration: Declaration

    def labels(self) -> tuple[str, ...] | None:
        """Return what is declared."""
        return self.declaration.labels

    def seen(self) -> list[str] | None:
        """Return what is declared."""
        return self.declaration.seen()


def declaration_of(path: Path) -> Declaration:
    """Read what is declared of a file or of a folder; nothing if nothing is.

    Raises
    ------
    DataError
        If the declaration cannot be read.
    """
    beside = path / "molmis.json" if path.is_dir() else path.with_name(path.name + ".json")
    if not beside.is_file():
        return Declaration()
    example = '{"labels": ["tox21"], "molecules": "pretraining.smi"}'
    try:
        told = json.loads(beside.read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{beside} cannot be read ({error}); it is to hold something like {example}"
        ) from None
    told = told if isinstance(told, dict) else {"": told}
    labels, molecules = told.get("labels"), told.get("molecules")
    texts = labels is None or (isinstance(labels, list) and all(isinstance(name, str) for name in labels))
    if not texts or not isinstance(molecules, str | None) or set(told) - _KNOWN:
        raise DataError(f"{beside} is no declaration; it is to hold something like {example}")
    for name in labels or ():
        _check_known(beside, name)
    return Declaration(
        None if labels is None else tuple(labels),
        None if molecules is None else MoleculeFile.at(beside.parent / molecules, beside.name),
    )


def _check_known(beside: Path, name: str) -> None:
    """Raise where labels are misspelt: those of a task would never be refused then.

    A name that is near that of no task may be that of one which is not in the catalogue.
    """
    base, colon, _ = name.partition(":")
    if base not in TASKS and not get_close_matches(base.lower(), TASKS, 1, _NEAR):
        return
    try:
        if base not in TASKS or (colon and len(TASKS[base].targets) > 1):
            get_task(name)
    except MolmisError as error:
        raise DataError(f"{beside}, labels: {error}") from None
