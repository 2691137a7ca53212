"""The molecules of a cell whose encoders are trained with the heads: graphs, in the place of embeddings."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.calibration import RECORDS
from models.encoders.tuning import TunedInputs, Tuning
from molecules.graphs import GraphBatch, Graphs


class Part(StrEnum):
    """Where records of a cell stand: in the pool, in the test set, or drawn afresh beside them."""

    POOL = "pool"
    TEST = "test"
    FRESH = "fresh"


@dataclass(frozen=True, eq=False)
class TunedData:
    """Molecules as graphs.

    Attributes
    ----------
    tuning : Tuning
        The pretrained network, which every run starts from.
    graphs : Graphs
        Of all records.
    places : mapping of Part to ndarray of int
        Which of them are pool and test set.
    quantized : bool
        Whether encoders are quantized with the heads.
    public : Graphs or None
        Of public molecules to calibrate on.
    """

    tuning: Tuning
    graphs: Graphs
    places: dict[Part, NDArray[np.int64]]
    quantized: bool
    public: Graphs | None = None

    def training(self, *parts: Part) -> TunedInputs:
        """Return the records of some parts, one after another, as what a bank is trained on."""
        places = np.concatenate([self.places[part] for part in parts])
        return TunedInputs(self.tuning, self.graphs, places)

    def batch(self, part: Part, records: NDArray[np.int64] | slice) -> GraphBatch:
        """Return some records of a part as one batch."""
        return self.graphs.select(self.places[part][records])

    def calibration(self, members: NDArray[np.bool_] | None) -> GraphBatch:
        """Return the molecules to calibrate on: public ones, or members of a run."""
        if members is not None:
            return self.batch(Part.POOL, np.flatnonzero(members)[:RECORDS])
        if self.public is None:
            raise ValueError("there are no public molecules to calibrate on")
        return self.public.batch(0, len(self.public))

    def embedded(self, encoders: dict[str, Tensor], batch: GraphBatch) -> Tensor:
        """Return the embeddings of a batch by H encoders, shape (H, molecules, d).

        Parameters
        ----------
        encoders : dict of str to Tensor
            Parameters by name, each of shape (H, ...).
        batch : GraphBatch
            The molecules.
        """
        count = len(next(iter(encoders.values())))
        own = ({name: values[place] for name, values in encoders.items()} for place in range(count))
        return torch.stack([self.tuning.alone(parameters, batch) for parameters in own])
