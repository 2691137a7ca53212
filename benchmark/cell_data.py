"""The tensors of a cell: embeddings and labels of pool and test set, and the members of every run."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.calibration import Public, calibration_records, fresh_records, public_molecules, public_records
from benchmark.metrics import scored_targets
from benchmark.plan import Cell, Protocol
from benchmark.tuned_data import Part, TunedData
from benchmark.whole_model import WholeModel, quantized_embeddings
from models.artefact import Origin
from models.encoders.base import EncoderState, embed
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.tuning import TunedInputs
from models.heads import Heads
from models.quantizers import Quantizer
from molecules.errors import TooFewRecordsError
from molecules.graphs import featurize
from molecules.progress import SILENT, Progress
from molecules.splits import DETERMINISTIC, Split, member_halves, split
from tasks.records import Records
from tasks.task import FRESH, OFFICIAL, Kind


@dataclass(frozen=True)
class CellData:
    """The tensors of a cell.

    Attributes
    ----------
    kind : Kind
        Classification or regression.
    pool, pool_labels : Tensor, shapes (N, d) and (N, T)
        Records that runs draw their members from; labels NaN where missing.
    test, test_labels : Tensor, shapes (M, d) and (M, T)
        Records held apart for performance; never used as non-members.
    members : ndarray of bool, shape (runs, N)
        Which half of the pool each run is trained on.
    fresh, fresh_labels : Tensor, shapes (m, d) and (m, T), or None
        Records drawn afresh from the distribution of the pool, where that can be done: what the plain
        indicator is measured on then, the same for every run.
    smiles, test_smiles : tuple of str
        Of the N records of the pool and of the M of the test set; none of vectors.
    public : Tensor, shape (n, d), or None
        Records that quantizers may be calibrated on without a look at the task.
    origin : Origin
        What files of the heads say that these are of.
    encoder_parameters : int
        Numbers that the encoder learned.
    whole : WholeModel or None
        What quantizes the encoder with the heads; None where it stays as it is.
    encoder : EncoderState or None
        The quantized encoder that these embeddings are of; None where they are those of the full-precision
        one.
    tuned : TunedData or None
        The molecules as graphs, where an encoder is trained with every head; embeddings are then those that
        training starts from. None where one frozen encoder serves all.
    """

    kind: Kind
    pool: Tensor
    pool_labels: Tensor
    test: Tensor
    test_labels: Tensor
    members: NDArray[np.bool_]
    fresh: Tensor | None = None
    fresh_labels: Tensor | None = None
    smiles: tuple[str, ...] = ()
    test_smiles: tuple[str, ...] = ()
    public: Tensor | None = None
    origin: Origin = field(default_factory=Origin)
    encoder_parameters: int = 0
    whole: WholeModel | None = None
    encoder: EncoderState | None = None
    tuned: TunedData | None = None

    def inputs(self, part: Part) -> Tensor:
        """Return the embeddings of a part, shape (records, d)."""
        found = {Part.POOL: self.pool, Part.TEST: self.test, Part.FRESH: self.fresh}[part]
        if found is None:
            raise ValueError("no records are drawn afresh here")
        return found

    def training(self, *parts: Part) -> Tensor | TunedInputs:
        """Return the records of some parts, one after another, as what a bank is trained on."""
        if self.tuned is not None:
            return self.tuned.training(*parts)
        return self.inputs(*parts) if len(parts) == 1 else torch.cat([self.inputs(part) for part in parts])

    def under(self, quantizer: Quantizer) -> "CellData":
        """Return the tensors as the heads are given them that a quantizer has quantized.

        They are those of the full-precision encoder, unless the whole model is quantized.
        """
        if self.whole is None:
            return self
        pool, test, public = self.whole.embeddings(quantizer)
        return replace(self, pool=pool, test=test, public=public, encoder=self.whole.state(quantizer))

    def calibration(self, quantizer: Quantizer, members: NDArray[np.bool_]) -> Tensor | None:
        """Return what a quantizer of runs with these members is calibrated on; None if it looks at none."""
        return calibration_records(quantizer.calibration, self.public, self.pool, members)

    def held_out(self, run: int) -> tuple[Part, Tensor, Tensor]:
        """Return what r of a run is measured on: records that the run was not trained on.

        Returns
        -------
        part : Part
            The fresh records, or else the pool.
        labels : Tensor, shape (records, T)
            Of that part.
        places : Tensor of int, shape (m,)
            Which of them are held out: all fresh ones, or those of the pool that are no members.
        """
        if self.fresh is not None and self.fresh_labels is not None:
            return Part.FRESH, self.fresh_labels, torch.arange(len(self.fresh), device=self.fresh.device)
        places = torch.from_numpy(np.flatnonzero(~self.members[run])).to(self.pool.device)
        return Part.POOL, self.pool_labels, places


def cell_data(cell: Cell, progress: Progress = SILENT) -> CellData:
    """Hold the test set of a cell apart, embed the records, and draw the halves.

    Raises
    ------
    TooFewRecordsError
        If no label can be scored on the test set, because it holds one class or one value only.
    """
    records, protocol = cell.records, cell.protocol
    if protocol.split == FRESH:
        return _drawn_data(cell)
    pool, test = hold_apart(records, protocol)
    embedded = embed(cell.encoder, records.smiles, cell.device, progress)
    embeddings = torch.from_numpy(embedded).to(cell.device)
    labels = torch.from_numpy(records.labels).to(cell.device)
    members = member_halves(len(pool), protocol.runs, protocol.seed)
    public = public_molecules(cell)
    whole = _whole(cell, pool, test, public, progress)
    return CellData(
        records.kind,
        embeddings[pool],
        labels[pool],
        embeddings[test],
        labels[test],
        members,
        smiles=tuple(records.smiles[place] for place in pool),
        test_smiles=tuple(records.smiles[place] for place in test),
        # of a whole model, what the quantized encoder makes of them is used instead
        public=None if whole is not None else public_records(cell, public, progress),
        origin=_origin(cell),
        encoder_parameters=cell.encoder.parameters,
        whole=whole,
        tuned=_tuned(cell, pool, test, public, progress) if protocol.train_encoder else None,
    )


def hold_apart(records: Records, protocol: Protocol) -> Split:
    """Return pool and test set of records that are molecules.

    Raises
    ------
    TooFewRecordsError
        If no label can be learned in the pool or scored on the test set, because there is one class or one
        value only.
    """
    if protocol.split == OFFICIAL:
        if records.test is None:
            raise ValueError(f"{records.task}: the split {OFFICIAL!r} needs records that say their test set")
        pool, test = np.flatnonzero(~records.test), np.flatnonzero(records.test)
    else:
        pool, test = split(protocol.split, records.smiles, protocol.test_share, protocol.seed)
    for part, name in ((pool, "pool"), (test, "test")):
        if not scored_targets(records.kind, records.labels[part]).any():
            raise TooFewRecordsError(
                f"{records.task}: the {protocol.split} split leaves {len(part)} {name} records of one class "
                f"or value only; give {_advice(protocol.split)}"
            )
    return pool, test


def _advice(name: str) -> str:
    """Say what to do about a split that leaves one class: another seed helps only where it draws."""
    if name == OFFICIAL:
        return "--split random, which splits all records anew"
    if name in DETERMINISTIC:
        return "a larger --test-share, or --split random"
    return "another --seed, a larger --test-share, or more records"


def _whole(
    cell: Cell, pool: NDArray[np.intp], test: NDArray[np.intp], public: Public, progress: Progress
) -> WholeModel | None:
    """Return what quantizes the encoder with the heads, where that is asked for."""
    if not cell.protocol.shared_encoder_quantized:
        return None
    cell.encoder.prepare(cell.device, progress)
    smiles = cell.records.smiles
    of_pool, of_test = ([smiles[place] for place in places] for places in (pool, test))
    return WholeModel(cell.encoder, of_pool, of_test, public, cell.device, quantized_embeddings(cell))


def _tuned(
    cell: Cell, pool: NDArray[np.intp], test: NDArray[np.intp], public: Public, progress: Progress
) -> TunedData:
    """Return the molecules as graphs, and the network that is trained with every head."""
    if not isinstance(cell.encoder, GraphEncoder):
        raise TypeError(f"the encoder {cell.encoder.name} cannot be trained with heads")
    return TunedData(
        cell.encoder.tuning(cell.device, progress),
        cell.encoder.graphs(cell.records.smiles, progress),
        {Part.POOL: pool, Part.TEST: test},
        cell.protocol.scope.whole,
        featurize(public.calibration) if public.calibration else None,
    )


def _drawn_data(cell: Cell) -> CellData:
    """Return the tensors of a cell whose records are vectors: all of them are the pool, the rest is fresh."""
    records, vectors = cell.records, cell.records.vectors
    if vectors is None:
        raise ValueError(f"{cell.task.name}: the split {FRESH!r} needs records that are vectors")
    arrays = (
        vectors.inputs,
        records.labels,
        vectors.test.inputs,
        vectors.test.labels,
        vectors.fresh.inputs,
        vectors.fresh.labels,
    )
    pool, labels, test, test_labels, fresh, fresh_labels = (
        torch.from_numpy(array).to(cell.device) for array in arrays
    )
    members = member_halves(len(pool), cell.protocol.runs, cell.protocol.seed)
    return CellData(
        records.kind,
        pool,
        labels,
        test,
        test_labels,
        members,
        fresh=fresh,
        fresh_labels=fresh_labels,
        public=fresh_records(cell),
        origin=_origin(cell),
    )


def _origin(cell: Cell) -> Origin:
    """Return what the heads of a cell are of."""
    records, encoder = cell.records, cell.encoder
    targets = tuple(map(str, records.targets))
    return Origin(
        cell.task.name,
        records.kind,
        targets,
        encoder.name,
        encoder.key,
        encoder.inputs,
        tuple(sorted(encoder.options().items())),
        str(cell.protocol.scope),
        cell.protocol.train_encoder,
    )


def to_device(heads: Heads, device: torch.device) -> Heads:
    """Return the heads on a device."""
    return Heads(tuple(w.to(device) for w in heads.weights), tuple(b.to(device) for b in heads.biases))
