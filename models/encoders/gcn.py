"""A graph convolutional network, pretrained by this project and then frozen.

Kipf, Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017, with
torch-geometric's ``GCNConv``.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

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
        edges, weights = gcn_norm(batch.edge_index, num_nodes=len(batch.x), add_self_loops=True)
        return edges, weights


@ENCODERS.register("gcn")
class Gcn(GraphEncoder):
    """GCN of five layers, pretrained, frozen."""

    name = "gcn"
    description = "graph convolutional network, 5 layers, 256 dimensions; pretrained here"
    config_type = GcnConfig
    network_type = GcnNetwork
