"""What a published head says of molecules."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.artefact import Artefact
from models.encoders.base import Encoder, embed
from models.encoders.choice import published_encoder
from molecules.errors import DataError, MolmisError
from molecules.parse import canonical, is_empty, parse_all
from molecules.progress import SILENT, Progress
from tasks.task import Inputs, Kind

#: How far outputs for the probe may lie from those in the file: rounding differs between processors.
PROBE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Predicted:
    """Predictions for molecules.

    Attributes
    ----------
    values : ndarray of float32, shape (molecules, targets)
        Probability of the class 1, or the value in the label's unit; NaN where there is no molecule.
    unreadable : tuple of int
        Places of the SMILES, from 0, that are no molecule.
    """

    values: NDArray[np.float32]
    unreadable: tuple[int, ...]


def predict(
    artefact: Artefact, smiles: Sequence[str], progress: Progress = SILENT, given: str | None = None
) -> Predicted:
    """Return what a head says of molecules.

    Parameters
    ----------
    artefact : Artefact
        The head.
    smiles : sequence of str
        As written in the source; each becomes the canonical SMILES that training would have seen.
    progress : Progress
        Listener.
    given : str or None
        The encoder, where it was made elsewhere: a file of embeddings, or a checkpoint.

    Raises
    ------
    MolmisError
        If the encoder of the head is not to be had here, or is not the one that it was trained on.
    """
    encoder = _encoder(artefact, given)
    found = {
        place: canonical(mol)
        for place, mol in enumerate(parse_all(smiles))
        if mol is not None and not is_empty(mol)
    }
    places, texts = list(found), list(found.values())
    _check_probe(artefact, encoder, progress)
    values = np.full((len(smiles), len(artefact.origin.targets)), np.nan, dtype=np.float32)
    if texts:
        outputs = artefact.outputs(torch.from_numpy(_embedded(artefact, encoder, texts, progress)))
        if artefact.origin.kind is Kind.CLASSIFICATION:
            outputs = outputs.sigmoid()
        values[places] = outputs.numpy()
    unreadable = sorted(set(range(len(smiles))).difference(found))
    return Predicted(values, tuple(unreadable))


def _encoder(artefact: Artefact, given: str | None = None) -> Encoder:
    """Return the encoder of a head, of the recipe that it was trained on."""
    origin = artefact.origin
    if origin.inputs is not Inputs.MOLECULES:
        raise MolmisError(f"the head is of {origin.task}, whose records are vectors; it takes no molecules")
    encoder = published_encoder(origin.encoder, dict(origin.options), given)
    if encoder.key != origin.encoder_key and "outside" in dict(origin.options):
        raise DataError(
            f"the head was trained on other embeddings than those of {given}: give the very file or "
            f"checkpoint, which was called {dict(origin.options)['outside']}"
        )
    if encoder.key != origin.encoder_key:
        raise DataError(
            f"the head was trained on another recipe of the encoder {origin.encoder} ({origin.encoder_key}; "
            f"here {encoder.key}): install molmis {artefact.version}, or export the head again"
        )
    if artefact.encoder is not None:
        try:
            encoder.restore(artefact.encoder)
        except ValueError as error:
            raise DataError(
                f"the encoder in the file cannot be used: {' '.join(str(error).split())[:300]}"
            ) from None
    return encoder


def _embedded(
    artefact: Artefact, encoder: Encoder, smiles: Sequence[str], progress: Progress
) -> NDArray[np.float32]:
    """Return embeddings; the cache knows nothing of weights that came in a file."""
    found = (
        embed(encoder, smiles, progress=progress)
        if artefact.encoder is None
        else encoder.encode(smiles, progress)
    )
    if found.shape[1] != artefact.dimensions:
        raise DataError(
            f"the head takes {artefact.dimensions} numbers a molecule, and the encoder "
            f"{artefact.origin.encoder} gives {found.shape[1]}"
        )
    return found


def _check_probe(artefact: Artefact, encoder: Encoder, progress: Progress) -> None:
    """Raise unless the head says of the molecules of the probe what it said where it was written."""
    origin = artefact.origin
    if not origin.probe:  # molecules of a list; its content is known by the hash in the recipe
        return
    outputs = artefact.outputs(torch.from_numpy(_embedded(artefact, encoder, origin.probe, progress)))
    allowed = PROBE_TOLERANCE * max(1.0, float(artefact.probe.abs().max()), float(artefact.spread.max()))
    off = float((outputs - artefact.probe).abs().max())
    if not off <= allowed:
        raise DataError(
            f"the encoder {origin.encoder} here is not the one that the head was trained on: for molecules "
            f"everybody knows the outputs are off by {off:.3g}; export the head with --with-encoder"
        )
