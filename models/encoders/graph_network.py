"""What networks over molecular graphs share: feature embeddings, residual layers, the readout.

A network is made of two steps, so that it can be pretrained on atoms as well as on molecules: ``states``
gives a vector of every atom, ``pool`` brings the atoms of a molecule to its embedding.
"""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from molecules.graphs import ATOM_CARDINALITIES, BOND_CARDINALITIES, GraphBatch, Graphs

# said once by torch, to whoever reads standard error: what is used of sparse matrices is one product
warnings.filterwarnings("ignore", message="Sparse CSR tensor support", category=UserWarning)

#: Heavy atoms of a typical drug-like molecule: brings summed atom vectors to the size of averaged ones.
TYPICAL_ATOMS = 25.0
#: Standardised embeddings are clipped to this many standard deviations of the pretraining molecules.
CLIP = 6.0


@dataclass(frozen=True)
class GraphConfig:
    """Architecture of a network over graphs.

    Attributes
    ----------
    width : int
        Features of an atom.
    layers : int
        Message-passing steps.
    dimensions : int
        Features of the embedding.
    """

    width: int = 128
    layers: int = 5
    dimensions: int = 256


class GraphNetwork(nn.Module, ABC):
    """Molecular graphs to embeddings.

    Parameters
    ----------
    config : GraphConfig
        Architecture.
    """

    #: Whether torch can run several copies at once (``torch.func.vmap``), each on its own molecules.
    side_by_side: ClassVar[bool] = True

    def __init__(self, config: GraphConfig) -> None:
        super().__init__()
        self.width = config.width

    @abstractmethod
    def states(self, batch: GraphBatch) -> Tensor:
        """Return a vector of every atom, shape (atoms, width)."""

    @abstractmethod
    def pool(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return the embeddings of molecules of the vectors of their atoms, shape (molecules, dimensions)."""

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the embeddings, shape (molecules, dimensions)."""
        return self.pool(self.states(batch), batch)

    def look_at(self, graphs: Graphs) -> None:
        """Take statistics of the pretraining molecules that the architecture asks for; most ask for none."""
        del graphs


class AtomEmbedding(nn.Embedding):
    """The sum of one learned vector for each feature of an atom.

    Parameters
    ----------
    width : int
        Features of an atom.
    """

    def __init__(self, width: int) -> None:
        super().__init__(sum(ATOM_CARDINALITIES), width)
        self.offsets: Tensor
        offsets = torch.tensor([0, *ATOM_CARDINALITIES[:-1]]).cumsum(0)
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return the vectors of atoms, shape (atoms, width)."""
        rows = features.long()
        if torch.is_grad_enabled():
            # the order in which gradients are added up is part of the weights that were trained
            return super().forward(rows + self.offsets).sum(1)
        # some hundred kinds of atoms make up thousands of molecules: each kind is summed once
        code = rows[:, 0]
        for place, count in enumerate(ATOM_CARDINALITIES[1:], start=1):
            code = code * count + rows[:, place]
        kinds, of_atom = torch.unique(code, return_inverse=True)
        example = torch.empty_like(kinds).index_copy_(0, of_atom, torch.arange(len(rows), device=code.device))
        return super().forward(rows[example] + self.offsets).sum(1)[of_atom]


class BondEmbedding(nn.Embedding):
    """The sum of one learned vector for each feature of a bond.

    Parameters
    ----------
    width : int
        Features of a bond.
    """

    def __init__(self, width: int) -> None:
        super().__init__(sum(BOND_CARDINALITIES), width)

    def forward(self, features: Tensor) -> Tensor:
        """Return the vectors of directed bonds, shape (edges, width)."""
        # a table of all combinations is smaller than one batch of bonds
        kind, stereo, conjugated = torch.split(self.weight, list(BOND_CARDINALITIES))
        table = (kind[:, None, None] + stereo[:, None] + conjugated).flatten(0, 2)
        rows = features.long()
        code = (rows[:, 0] * BOND_CARDINALITIES[1] + rows[:, 1]) * BOND_CARDINALITIES[2] + rows[:, 2]
        return nn.functional.embedding(code, table)


def neighbours(batch: GraphBatch) -> Tensor:
    """Return the bonds of a batch as a layer without bond features takes them fastest.

    A sparse matrix where no gradient is wanted: the sums over neighbours then take no copy of a vector for
    every bond. Its rows hold the neighbours in the order of the edges, so the sums are the same in every bit.
    """
    if torch.is_grad_enabled() or batch.x.device.type != "cpu":
        return batch.edge_index
    atoms, (source, target) = len(batch.x), batch.edge_index
    starts = torch.zeros(atoms + 1, dtype=torch.long)
    starts[1:] = torch.bincount(source, minlength=atoms).cumsum(0)
    return torch.sparse_csr_tensor(
        starts, target, torch.ones(len(target)), (atoms, atoms), check_invariants=False
    )


def projection(width: int, dimensions: int) -> nn.Sequential:
    """Return the layer from mean and sum of the atoms to the embedding."""
    return nn.Sequential(nn.Linear(2 * width, dimensions), nn.ReLU())


def mean_and_sum(states: Tensor, batch: GraphBatch) -> Tensor:
    """Return mean and (scaled) sum of the vectors of the atoms of each molecule, (molecules, 2 * width)."""
    total = states.new_zeros(batch.num_graphs, states.shape[1]).index_add_(0, batch.batch, states)
    ones = states.new_ones(len(states))
    atoms = states.new_zeros(batch.num_graphs).index_add(0, batch.batch, ones).clamp(min=1)
    return torch.cat([total / atoms[:, None], total / TYPICAL_ATOMS], 1)


class ResidualNetwork(GraphNetwork):
    """Atoms to embedding: residual layers with batch normalisation, mean and sum readout.

    Subclasses give :meth:`convolution`, and :meth:`around`.

    Parameters
    ----------
    config : GraphConfig
        Architecture.
    """

    def __init__(self, config: GraphConfig) -> None:
        super().__init__(config)
        self.atoms = AtomEmbedding(config.width)
        self.convolutions = nn.ModuleList(self.convolution(config) for _ in range(config.layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(config.width) for _ in range(config.layers))
        self.project = projection(config.width, config.dimensions)

    @abstractmethod
    def convolution(self, config: GraphConfig) -> nn.Module:
        """Return one layer of message passing, not trained."""

    def around(self, batch: GraphBatch) -> tuple[Tensor, ...]:
        """Return what every layer is given beside the vectors of the atoms."""
        return (neighbours(batch),)

    def states(self, batch: GraphBatch) -> Tensor:
        """Return a vector of every atom, shape (atoms, width)."""
        hidden: Tensor = self.atoms(batch.x)
        around = self.around(batch)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = hidden + torch.relu(norm(convolution(hidden, *around)))
        return hidden

    def pool(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return the projected mean and sum of the atoms."""
        embedding: Tensor = self.project(mean_and_sum(states, batch))
        return embedding
