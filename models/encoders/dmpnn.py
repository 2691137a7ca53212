"""Directed message passing, pretrained by this project and then frozen.

Yang et al., "Analyzing Learned Molecular Representations for Property Prediction", J. Chem. Inf. Model. 2019,
59, 3370. States belong to directed bonds, and a message never turns back on the bond it came by.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import (
    AtomEmbedding,
    BondEmbedding,
    GraphConfig,
    GraphNetwork,
    mean_and_sum,
    projection,
)
from molecules.graphs import GraphBatch


@dataclass(frozen=True)
class DmpnnConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`.

    Attributes
    ----------
    bond_width : int
        Features of a bond.
    """

    layers: int = 4
    bond_width: int = 16


class DirectedMessages(nn.Module):
    """One step: a bond is told the sum of the bonds that arrive where it begins, its reverse left out.

    Parameters
    ----------
    width : int
        Features of a directed bond.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = nn.Linear(width, width, bias=False)

    def forward(self, bonds: Tensor, first: Tensor, edges: Tensor, back: Tensor, atoms: int) -> Tensor:
        """Return the new states of directed bonds.

        Parameters
        ----------
        bonds, first : Tensor, shape (edges, width)
            States now, and before the first rectifier: the step starts from these.
        edges : Tensor of int64, shape (2, edges)
            Source and target of each.
        back : Tensor of int64, shape (edges,)
            Place of the same bond in the other direction.
        atoms : int
            Number of atoms.
        """
        told = arriving(bonds, edges, atoms)[edges[0]] - bonds[back]
        return torch.relu(first + self.message(told))


def arriving(bonds: Tensor, edges: Tensor, atoms: int) -> Tensor:
    """Return the sum of the states of the bonds that end at each atom, shape (atoms, width)."""
    return bonds.new_zeros(atoms, bonds.shape[1]).index_add_(0, edges[1], bonds)


def reversed_bonds(edges: Tensor, atoms: int) -> Tensor:
    """Return for each directed bond the place of the same bond in the other direction."""
    source, target = edges
    forth, back = torch.argsort(source * atoms + target), torch.argsort(target * atoms + source)
    return torch.empty_like(forth).scatter(0, back, forth)


class DmpnnNetwork(GraphNetwork):
    """Atoms and bonds to embedding: directed messages, atoms told of what arrives, mean and sum readout."""

    def __init__(self, config: DmpnnConfig) -> None:
        super().__init__(config)
        width = config.width
        self.atoms, self.bonds = AtomEmbedding(width), BondEmbedding(config.bond_width)
        self.start = nn.Linear(width + config.bond_width, width, bias=False)
        self.steps = nn.ModuleList([DirectedMessages(width) for _ in range(config.layers)])
        self.finish = nn.Linear(2 * width, width)
        self.project = projection(width, config.dimensions)

    def states(self, batch: GraphBatch) -> Tensor:
        """Return a vector of every atom, shape (atoms, width)."""
        atoms, edges = self.atoms(batch.x), batch.edge_index
        back = reversed_bonds(edges, len(atoms))
        first = self.start(torch.cat([atoms[edges[0]], self.bonds(batch.edge_attr)], 1))
        bonds = torch.relu(first)
        for step in self.steps:
            bonds = step(bonds, first, edges, back, len(atoms))
        return torch.relu(self.finish(torch.cat([atoms, arriving(bonds, edges, len(atoms))], 1)))

    def pool(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return the projected mean and sum of the atoms."""
        embedding: Tensor = self.project(mean_and_sum(states, batch))
        return embedding


@ENCODERS.register("dmpnn")
class Dmpnn(GraphEncoder):
    """D-MPNN, pretrained, frozen."""

    name = "dmpnn"
    description = "directed message passing (D-MPNN), 4 steps, 256 dimensions; pretrained here"
    config_type = DmpnnConfig
    network_type = DmpnnNetwork
