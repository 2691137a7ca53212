"""A graph attention network, pretrained by this project and then frozen.

Brody, Alon, Yahav, "How Attentive are Graph Attention Networks?", ICLR 2022, with torch-geometric's
``GATv2Conv``; attention sees the bonds.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import BondEmbedding, GraphConfig, ResidualNetwork
from molecules.graphs import GraphBatch


@dataclass(frozen=True)
class GatConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`.

    Attributes
    ----------
    heads : int
        Of attention; they share the width.
    bond_width : int
        Features of a bond.
    """

    heads: int = 4
    bond_width: int = 16


class GatNetwork(ResidualNetwork):
    """Residual GATv2 layers; what an atom was itself comes through the residual alone."""

    def __init__(self, config: GatConfig) -> None:
        super().__init__(config)
        self.bonds = BondEmbedding(config.bond_width)

    def convolution(self, config: GatConfig) -> nn.Module:  # type: ignore[override]
        """Return a layer whose heads are laid side by side."""
        share = config.width // config.heads
        layer: nn.Module = GATv2Conv(
            config.width, share, config.heads, edge_dim=config.bond_width, add_self_loops=False
        )
        return layer

    def around(self, batch: GraphBatch) -> tuple[Tensor, ...]:
        """Return the bonds and their vectors."""
        return batch.edge_index, self.bonds(batch.edge_attr)


@ENCODERS.register("gat")
class Gat(GraphEncoder):
    """GATv2 of five layers, pretrained, frozen."""

    name = "gat"
    description = (
        "graph attention network (GATv2) with bond features, 5 layers, 256 dimensions; pretrained here"
    )
    config_type = GatConfig
    network_type = GatNetwork
