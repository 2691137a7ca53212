"""From what a user gives to an encoder: a name and perhaps its pretraining, a file, or a checkpoint."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from models.encoders.base import ENCODERS, Encoder, encoder_for
from models.encoders.chemprop_checkpoint import Chemprop
from models.encoders.embedding_file import EmbeddingFile
from models.encoders.embedding_folder import is_folder
from models.encoders.embedding_table import ENDINGS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.huggingface import HuggingFace
from models.encoders.objective_name import Objective, PretrainObjective
from models.encoders.pretraining_molecules import MoleculeFile
from molecules.errors import DataError, MolmisError
from tasks.task import Inputs, Task

#: Kinds of checkpoints by what stands before their path.
CHECKPOINTS: Mapping[str, type[HuggingFace] | type[Chemprop]] = {
    kind.prefix: kind for kind in (HuggingFace, Chemprop)
}


def chosen_encoder(
    task: Task,
    text: str | None,
    pretrain_on: Path | None = None,
    objective: PretrainObjective | None = None,
) -> Encoder:
    """Return the encoder that a user asks for.

    Parameters
    ----------
    task : Task
        Whose records it is to embed.
    text : str or None
        A registered name, the path of a file or a folder of embeddings, ``hf:path`` or ``chemprop:path``;
        None for the usual one.
    pretrain_on : Path or None
        Molecules to pretrain on.
    objective : PretrainObjective or None
        What to pretrain it to do.

    Raises
    ------
    MolmisError
        If there is no such encoder, or it cannot be pretrained.
    """
    found = _outside(text) if text is not None else None
    if found is None:
        kind = encoder_for(task, text)
        if pretrain_on is None and objective is None:
            return kind()
        return _pretrained(kind, pretrain_on, objective)
    if task.inputs is not Inputs.MOLECULES:
        raise MolmisError(
            f"--encoder {text} takes molecules, and the records of {task.name} are {task.inputs}"
        )
    if pretrain_on is not None or objective is not None:
        raise _pretrained_already(text)
    return found


def streaming_encoder(
    text: str, pretrain_on: Path | None = None, objective: PretrainObjective | None = None
) -> Encoder:
    """Return the encoder that a user asks for to embed molecules of any number.

    Parameters
    ----------
    text : str
        A registered name, ``hf:path`` or ``chemprop:path``.
    pretrain_on : Path or None
        Molecules to pretrain on.
    objective : PretrainObjective or None
        What to pretrain it to do.

    Raises
    ------
    MolmisError
        If there is no such encoder, it cannot be pretrained, takes no molecules or only those of a list.
    """
    found = _outside(text)
    if found is not None and found.listed:
        raise MolmisError(
            f"--encoder {text} is a list of embeddings and embeds no other molecules; give an encoder by "
            f"name, or {' or '.join(f'{known}:PATH' for known in CHECKPOINTS)}"
        )
    if found is not None and (pretrain_on is not None or objective is not None):
        raise _pretrained_already(text)
    if found is not None:
        return found
    kind = ENCODERS[text]
    if kind.inputs is not Inputs.MOLECULES:
        raise MolmisError(f"--encoder {text} takes {kind.inputs}, and what is to be embedded are molecules")
    if pretrain_on is None and objective is None:
        return kind()
    return _pretrained(kind, pretrain_on, objective)


def _pretrained_already(text: str | None) -> MolmisError:
    return MolmisError(f"--encoder {text} is pretrained already; leave out --pretrain-on and its objective")


def _outside(text: str) -> Encoder | None:
    """Return an encoder that was made elsewhere; None if a registered name is meant."""
    prefix, colon, path = text.partition(":")
    if colon and prefix in CHECKPOINTS:
        return CHECKPOINTS[prefix](Path(path))
    if text in ENCODERS:
        return None
    if text.lower().endswith(ENDINGS) or is_folder(Path(text)):
        return EmbeddingFile(Path(text))
    if "/" in text or "\\" in text or Path(text).is_file():
        raise DataError(
            f"--encoder {text}: a file of embeddings ends in {', '.join(ENDINGS)}; a checkpoint is named as "
            f"{' or '.join(f'{known}:PATH' for known in CHECKPOINTS)}"
        )
    return None


def _pretrained(
    kind: type[Encoder], pretrain_on: Path | None, objective: PretrainObjective | None
) -> GraphEncoder:
    """Return a graph encoder with pretraining of the user's choice."""
    if not issubclass(kind, GraphEncoder) or kind.usual.objective is Objective.NONE:
        fitting = [
            name
            for name, known in ENCODERS.items()
            if issubclass(known, GraphEncoder) and known.usual.objective is not Objective.NONE
        ]
        raise MolmisError(
            f"the encoder {kind.name} is not pretrained; --pretrain-on and --pretrain-objective are for "
            f"{', '.join(fitting)}"
        )
    source = MoleculeFile.at(pretrain_on) if pretrain_on is not None else None
    return kind(
        pretraining=replace(kind.usual, objective=Objective(objective or kind.usual.objective), source=source)
    )


def published_encoder(name: str, options: Mapping[str, str], given: str | None = None) -> Encoder:
    """Return the encoder of a published head.

    Parameters
    ----------
    name : str
        Of the encoder.
    options : mapping of str to str
        What :meth:`Encoder.options` said where the head was trained.
    given : str or None
        What the reader names as the encoder: needed if it was made elsewhere.

    Raises
    ------
    MolmisError
        If the encoder is not known, was made elsewhere and is not given, or is given without need.
    """
    outside = options.get("outside")
    if outside is None and given is not None:
        raise MolmisError(f"--encoder {given}: the head is of {name}, which is known here; leave it out")
    if outside is not None:
        found = _outside(given) if given is not None else None
        if found is None:
            only = "; molecules that are not in it cannot be embedded" if "listed" in options else ""
            raise MolmisError(
                "the head was trained on embeddings that were made elsewhere; give --encoder with your copy "
                f"of {outside}{only}"
            )
        return found
    kind = ENCODERS[name]
    if not options or not issubclass(kind, GraphEncoder):
        return kind()
    objective = Objective(options["objective"]) if "objective" in options else kind.usual.objective
    source = MoleculeFile(options["molecules"]) if "molecules" in options else None
    return kind(pretraining=replace(kind.usual, objective=objective, source=source))
