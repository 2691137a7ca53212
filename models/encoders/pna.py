"""Principal neighbourhood aggregation, pretrained by this project and then frozen.

Corso, Cavalleri, Beaini, Liò, Veličković, "Principal Neighbourhood Aggregation for Graph Nets", NeurIPS 2020,
with torch-geometric's ``PNAConv``. The typical degree that the scalers ask for is that of the pretraining
molecules, and a part of the weights.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import PNAConv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.graph_network import BondEmbedding, GraphConfig, ResidualNetwork
from molecules.graphs import GraphBatch, Graphs

AGGREGATORS = ("mean", "min", "max", "std")
SCALERS = ("identity", "amplification", "attenuation")


@dataclass(frozen=True)
class PnaConfig(GraphConfig):
    """Architecture of the encoder; see :class:`GraphConfig`.

    Attributes
    ----------
    towers : int
        Parts that the features are divided into, each with messages of its own.
    bond_width : int
        Features of a bond.
    """

    width: int = 80
    layers: int = 4
    towers: int = 2
    bond_width: int = 16


class PnaNetwork(ResidualNetwork):
    """Residual PNA layers: several aggregations of the neighbours, each scaled by the degree."""

    # torch-geometric's aggregations look into the indices that they are given, which several at once forbid
    side_by_side = False

    def __init__(self, config: PnaConfig) -> None:
        super().__init__(config)
        self.bonds = BondEmbedding(config.bond_width)

    def convolution(self, config: PnaConfig) -> nn.Module:  # type: ignore[override]
        """Return a layer; the degrees it is made with stand in until the pretraining molecules are seen."""
        layer: nn.Module = PNAConv(
            config.width,
            config.width,
            list(AGGREGATORS),
            list(SCALERS),
            torch.ones(2),
            edge_dim=config.bond_width,
            towers=config.towers,
            divide_input=True,
        )
        return layer

    def around(self, batch: GraphBatch) -> tuple[Tensor, ...]:
        """Return the bonds and their vectors."""
        return batch.edge_index, self.bonds(batch.edge_attr)

    def look_at(self, graphs: Graphs) -> None:
        """Take the typical degree of atoms, and that of its logarithm."""
        last, ends = graphs.atom_offsets[:-1].repeat(graphs.edges_per_molecule), graphs.edge_index[1]
        degree = torch.bincount(torch.from_numpy(ends + last), minlength=len(graphs.x)).double()
        for module in self.convolutions:
            scalers: Any = module.aggr_module
            scalers.avg_deg_lin.fill_(float(degree.mean()))
            scalers.avg_deg_log.fill_(float((degree + 1).log().mean()))


@ENCODERS.register("pna")
class Pna(GraphEncoder):
    """PNA of four layers, pretrained, frozen."""

    name = "pna"
    description = (
        "principal neighbourhood aggregation with bond features, 4 layers, 256 dimensions; pretrained here"
    )
    config_type = PnaConfig
    network_type = PnaNetwork

    def architecture(self) -> dict[str, object]:
        """Return widths and depth, and what is aggregated."""
        return {**super().architecture(), "aggregators": list(AGGREGATORS), "scalers": list(SCALERS)}
