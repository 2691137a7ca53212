"""AttentiveFP, pretrained by this project and then frozen.

Xiong et al., "Pushing the Boundaries of Molecular Representation for Drug Discovery with the Graph Attention
Mechanism", J. Med. Chem. 2020, 63, 8749, with torch-geometric's layers.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv
from torch_geometric.nn.models.attentive_fp import GATEConv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import AtomEmbedding, BondEmbedding, GraphConfig, GraphNetwork
from molecules.graphs import GraphBatch

#: Slope of the rectifier inside attention, as published.
_SLOPE = 0.01


@dataclass(frozen=True)
class AttentiveFpConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`.

    Attributes
    ----------
    bond_width : int
        Features of a bond.
    steps : int
        Refinements of a molecule's vector by attention to its atoms.
    """

    layers: int = 3
    bond_width: int = 16
    steps: int = 2


class AttentiveFpNetwork(GraphNetwork):
    """Attention and gated units over atoms, then over the atoms of a molecule; a readout of its own."""

    def __init__(self, config: AttentiveFpConfig) -> None:
        super().__init__(config)
        width = config.width
        self.atoms, self.bonds = AtomEmbedding(width), BondEmbedding(config.bond_width)
        self.gate = GATEConv(width, width, config.bond_width)
        self.convolutions = nn.ModuleList(_attention(width) for _ in range(config.layers - 1))
        self.units = nn.ModuleList(nn.GRUCell(width, width) for _ in range(config.layers))
        self.molecule, self.molecule_unit = _attention(width), nn.GRUCell(width, width)
        self.steps = config.steps
        self.project = nn.Linear(width, config.dimensions)

    def states(self, batch: GraphBatch) -> Tensor:
        """Return a vector of every atom, shape (atoms, width)."""
        states = nn.functional.leaky_relu(self.atoms(batch.x))
        told = self.gate(states, batch.edge_index, self.bonds(batch.edge_attr))
        first, *others = self.units
        states = torch.relu(first(nn.functional.elu(told), states))
        for convolution, unit in zip(self.convolutions, others, strict=True):
            told = nn.functional.elu(convolution(states, batch.edge_index))
            states = torch.relu(unit(told, states))
        return states

    def pool(self, states: Tensor, batch: GraphBatch) -> Tensor:
        """Return the projected vectors of molecules, refined by attention to their atoms."""
        total = states.new_zeros(batch.num_graphs, states.shape[1]).index_add_(0, batch.batch, states)
        molecules = torch.relu(total)
        of_atoms = torch.stack([torch.arange(len(states), device=states.device), batch.batch])
        for _ in range(self.steps):
            told = nn.functional.elu(self.molecule((states, molecules), of_atoms))
            molecules = torch.relu(self.molecule_unit(told, molecules))
        embedding: Tensor = self.project(molecules)
        return embedding


def _attention(width: int) -> GATConv:
    return GATConv(width, width, add_self_loops=False, negative_slope=_SLOPE)


@ENCODERS.register("attentivefp")
class AttentiveFp(GraphEncoder):
    """AttentiveFP, pretrained, frozen."""

    name = "attentivefp"
    description = "AttentiveFP, 3 layers and 2 steps over the molecule, 256 dimensions; pretrained here"
    config_type = AttentiveFpConfig
    network_type = AttentiveFpNetwork

    def readout(self) -> dict[str, object]:
        """Return nothing: attention takes the place of the mean and sum readout."""
        return {}
