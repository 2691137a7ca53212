"""A graph convolutional network, pretrained by this project and then frozen.

Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017, with
torch-geometric's ``GCNConv``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import GraphConfig, ResidualNetwork
from molecules.graphs import GraphBatch


@dataclass(frozen=True)
class GcnConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`."""


class GcnNetwork(ResidualNetwork):
    """Residual GCN layers: neighbours and the atom itself, weighted by their degrees."""

    def convolution(self, config: GraphConfig) -> nn.Module:
        """Return a layer that takes the weights of bonds as they come."""
        layer: nn.Module = GCNConv(config.width, config.width, normalize=False)
        return layer

    def around(self, batch: GraphBatch) -> tuple[Tensor, ...]:
        """Return the bonds, a loop at every atom among them, and their weights: once for all layers."""
        return normalised(batch.edge_index, len(batch.x))


def normalised(edges: Tensor, atoms: int) -> tuple[Tensor, Tensor]:
    """Return bonds, a loop at every atom added, and their weights: one over the roots of both degrees.

    What torch-geometric's ``gcn_norm`` gives, number for number, of graphs without loops; in operations that
    torch can run for several models at once.

    Parameters
    ----------
    edges : Tensor of int64, shape (2, edges)
        Source and target of every directed bond.
    atoms : int
        Number of atoms.
    """
    loops = torch.arange(atoms, device=edges.device)
    source, target = torch.cat([edges, loops.expand(2, -1)], 1)
    ones = torch.ones(source.shape, device=edges.device)
    root = ones.new_zeros(atoms).scatter_add(0, target, ones).pow(-0.5)
    return torch.stack([source, target]), root[source] * root[target]


@ENCODERS.register("gcn")
class Gcn(GraphEncoder):
    """GCN of five layers, pretrained, frozen."""

    name = "gcn"
    description = "graph convolutional network, 5 layers, 256 dimensions; pretrained here"
    config_type = GcnConfig
    network_type = GcnNetwork
