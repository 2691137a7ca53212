"""A graph isomorphism network, pretrained by this project and then frozen; and the same with random weights.

Xu, Hu, Leskovec, Jegelka, "How Powerful are Graph Neural Networks?", ICLR 2019, with torch-geometric's
``GINConv``.
"""

from dataclasses import dataclass

from torch import nn
from torch_geometric.nn import GINConv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import GraphConfig, ResidualNetwork
from models.encoders.objective_name import Objective
from models.encoders.pretraining import Pretraining


@dataclass(frozen=True)
class GinConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`."""


class GinNetwork(ResidualNetwork):
    """Summed feature embeddings, residual GIN layers, mean and sum readout; bond features are not seen."""

    def convolution(self, config: GraphConfig) -> nn.Module:
        """Return a layer with a perceptron of one hidden layer."""
        width = config.width
        layer: nn.Module = GINConv(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)), train_eps=True
        )
        return layer


@ENCODERS.register("gin")
class Gin(GraphEncoder):
    """GIN of five layers, pretrained on RDKit descriptors of 15,000 molecules, frozen."""

    name = "gin"
    description = "graph isomorphism network, 5 layers, 256 dimensions; pretrained here on RDKit descriptors"
    config_type = GinConfig
    network_type = GinNetwork


@ENCODERS.register("gin-random")
class GinRandom(Gin):
    """The same network with random weights: what the architecture gives without any learning."""

    name = "gin-random"
    description = "control: the network of gin with random weights, not pretrained"
    usual = Pretraining(objective=Objective.NONE)
