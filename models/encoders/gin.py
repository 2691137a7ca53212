"""A graph isomorphism network, pretrained by this project and then frozen.

Xu, Hu, Leskovec, Jegelka, "How Powerful are Graph Neural Networks?", ICLR 2019, with torch-geometric's
``GINConv``.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from models.encoders.base import ENCODERS
from models.encoders.graph_encoder import GraphEncoder
from models.encoders.pretraining import Pretraining
from molecules.graphs import ATOM_CARDINALITIES, GraphBatch

#: Heavy atoms of a typical drug-like molecule: brings summed atom vectors to the size of averaged ones.
TYPICAL_ATOMS = 25.0


@dataclass(frozen=True)
class GinConfig:
    """Architecture of the encoder.

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


class GinNetwork(nn.Module):
    """Atoms to embedding: summed feature embeddings, residual GIN layers, mean and sum readout.

    Parameters
    ----------
    config : GinConfig
        Architecture.
    """

    def __init__(self, config: GinConfig) -> None:
        super().__init__()
        width = config.width
        offsets = torch.tensor([0, *ATOM_CARDINALITIES[:-1]]).cumsum(0)
        self.offsets: Tensor
        self.register_buffer("offsets", offsets, persistent=False)
        self.atoms = nn.Embedding(sum(ATOM_CARDINALITIES), width)
        self.convolutions = nn.ModuleList(
            GINConv(
                nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)), train_eps=True
            )
            for _ in range(config.layers)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(config.layers))
        self.project = nn.Sequential(nn.Linear(2 * width, config.dimensions), nn.ReLU())

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the embeddings, shape (molecules, dimensions)."""
        hidden = self.atoms(batch.x.long() + self.offsets).sum(1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = hidden + torch.relu(norm(convolution(hidden, batch.edge_index)))
        total = hidden.new_zeros(batch.num_graphs, hidden.shape[1]).index_add_(0, batch.batch, hidden)
        atoms = torch.bincount(batch.batch, minlength=batch.num_graphs).clamp(min=1)
        embedding: Tensor = self.project(torch.cat([total / atoms[:, None], total / TYPICAL_ATOMS], 1))
        return embedding


@ENCODERS.register("gin")
class Gin(GraphEncoder):
    """GIN of five layers, pretrained on RDKit descriptors of 15,000 molecules, frozen.

    The embedding is the last hidden layer, standardised; see :class:`GraphEncoder`.

    Parameters
    ----------
    config : GinConfig
        Architecture.
    pretraining : Pretraining
        What it is trained on and how.
    """

    name = "gin"
    description = "graph isomorphism network, 5 layers, 256 dimensions; pretrained here on RDKit descriptors"

    def __init__(self, config: GinConfig = GinConfig(), pretraining: Pretraining = Pretraining()) -> None:  # noqa: B008
        super().__init__(pretraining)
        self.config, self.dimensions = config, config.dimensions

    def network(self) -> GinNetwork:
        """Return the network, with weights that are not trained."""
        return GinNetwork(self.config)

    def architecture(self) -> dict[str, object]:
        """Return widths and depth."""
        return asdict(self.config)

    def readout(self) -> dict[str, object]:
        """Return by what sums of atom vectors are divided."""
        return {"typical_atoms": TYPICAL_ATOMS}
