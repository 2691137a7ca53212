"""What an outside encoder declares of itself, in a small JSON file beside it.

``embeddings.npz.json`` beside ``embeddings.npz``, or ``molmis.json`` in the folder of a checkpoint::

    {"labels": ["tox21", "clintox:FDA_APPROVED"], "molecules": "pretraining.smi"}

``labels`` are the tasks whose measured labels it was fitted on, an empty list if none; ``molecules`` a file
of those that it saw without labels. Both may be left out, which means that nobody says.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from models.encoders.pretraining_molecules import FEWEST, MoleculeFile, pretraining_smiles
from molecules.cache import atomic_write
from molecules.errors import DataError, MolmisError
from tasks.catalogue import TASKS, get_task

_KNOWN = {"labels", "molecules"}
#: Its name in a folder.
_IN_FOLDER = "molmis.json"
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
    beside = path / _IN_FOLDER if path.is_dir() else path.with_name(path.name + ".json")
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


def declare(folder: Path, labels: Sequence[str] | None, molecules: Sequence[str] | None) -> None:
    """Write into a folder what embeddings in it were fitted on, for :func:`declaration_of`.

    Parameters
    ----------
    folder : Path
        Where a declaration that is there already stays.
    labels : sequence of str or None
        Tasks whose labels the encoder was fitted on; None if nobody says.
    molecules : sequence of str or None
        SMILES of those that it saw; None if nobody says. Too few to be pretrained on are not told.
    """
    path, listed = folder / _IN_FOLDER, folder / "pretraining.smi"
    if path.exists():
        return
    told: dict[str, object] = {} if labels is None else {"labels": list(labels)}
    if molecules is not None and len(molecules) >= FEWEST:
        with atomic_write(listed) as temporary:
            temporary.write_text("\n".join(["smiles", *molecules]) + "\n", encoding="utf-8")
        told["molecules"] = listed.name
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")


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
