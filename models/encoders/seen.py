"""What an encoder has seen of a task: labels are refused, molecules without labels are told."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.encoders.base import Encoder
from molecules.errors import MolmisError
from tasks.catalogue import SAME_MEASUREMENTS


@dataclass(frozen=True)
class Seen:
    """What an encoder saw of the molecules of a task.

    Attributes
    ----------
    molecules : int or None
        How many it saw in pretraining, without labels; None if nobody says which ones it saw.
    of : int
        Molecules of the task.
    declared : bool
        Whether it says on which labels it was fitted.
    """

    molecules: int | None
    of: int
    declared: bool

    def facts(self) -> dict[str, object]:
        """Return what a result holds of it, JSON-able."""
        return {"molecules": self.molecules, "of": self.of, "labels_declared": self.declared}


def seen_of(encoder: Encoder, smiles: Sequence[str]) -> Seen:
    """Return what an encoder saw of molecules, given as canonical SMILES."""
    seen = encoder.seen()
    both = None if seen is None else len(set(seen).intersection(smiles))
    return Seen(both, len(smiles), encoder.labels() is not None)


def refuse_fitted(encoder: Encoder, task: str, targets: Sequence[str], sha256: str) -> None:
    """Refuse an encoder that was fitted on labels of the audited task: it would leak on its own.

    Parameters
    ----------
    encoder : Encoder
        Declares by :meth:`Encoder.labels` whose labels it was fitted on.
    task : str
        Name of the task.
    targets : sequence of str
        Labels that are audited.
    sha256 : str
        Of the file that they are read from.

    Raises
    ------
    MolmisError
        If it was.
    """
    told = {name.strip().lower() for name in encoder.columns()}
    among = [target for target in targets if target.strip().lower() in told]
    if among:
        raise MolmisError(
            f"the embeddings of {encoder.name} have a column {among[0]!r}, a label of {task}; take it out"
        )
    audited = {sha256, *_names(task, targets)}
    fitted = [declared for declared in encoder.labels() or () if declared in audited]
    if fitted:
        raise MolmisError(
            f"the encoder {encoder.name} was fitted on labels of {fitted[0]}, which are audited here: what "
            "leaks would not be the head's alone; give another --encoder, or one fitted without them"
        )


def _names(task: str, targets: Sequence[str]) -> set[str]:
    """Return how labels of a task may be declared: the task, what it is one label of, and each label."""
    whole = {task} if task.startswith("file:") else {task, task.partition(":")[0]}
    others = {name for same in SAME_MEASUREMENTS if whole & same for name in same}
    return whole | others | {f"{name}:{target}" for name in whole for target in targets}
