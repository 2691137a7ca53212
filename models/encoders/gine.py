"""A graph isomorphism network that sees bonds, pretrained by this project and then frozen.

Hu, Liu, Gomes, Zitnik, Liang, Pande, Leskovec, "Strategies for Pre-training Graph Neural Networks", ICLR
2020, with torch-geometric's ``GINEConv``. One table of bond vectors serves all layers.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import BondEmbedding, GraphConfig, ResidualNetwork
from molecules.graphs import GraphBatch


@dataclass(frozen=True)
class GineConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`."""


class GineNetwork(ResidualNetwork):
    """Residual GINE layers: a message is the rectified sum of an atom's vector and that of the bond."""

    def __init__(self, config: GraphConfig) -> None:
        super().__init__(config)
        self.bonds = BondEmbedding(config.width)

    def convolution(self, config: GraphConfig) -> nn.Module:
        """Return a layer with a perceptron of one hidden layer."""
        width = config.width
        layer: nn.Module = GINEConv(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)), train_eps=True
        )
        return layer

    def around(self, batch: GraphBatch) -> tuple[Tensor, ...]:
        """Return the bonds and their vectors."""
        return batch.edge_index, self.bonds(batch.edge_attr)


@ENCODERS.register("gine")
class Gine(GraphEncoder):
    """GINE of five layers, pretrained, frozen."""

    name = "gine"
    description = "graph isomorphism network with bond features, 5 layers, 256 dimensions; pretrained here"
    config_type = GineConfig
    network_type = GineNetwork
