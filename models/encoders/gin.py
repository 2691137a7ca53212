"""A graph isomorphism network, pretrained by this project and then frozen.

Xu, Hu, Leskovec, Jegelka, "How Powerful are Graph Neural Networks?", ICLR 2019, with torch-geometric's
``GINConv``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from models.encoders.base import ENCODERS, Encoder
from models.encoders.pretraining import Pretraining, embed_graphs, pretrained_file
from molecules.cache import content_key, environment
from molecules.graphs import ATOM_CARDINALITIES, GraphBatch, featurize
from molecules.progress import SILENT, Progress

#: Molecules a batch when embedding; part of the arithmetic, so it is fixed.
EMBED_BATCH = 512
#: Heavy atoms of a typical drug-like molecule: brings summed atom vectors to the size of averaged ones.
TYPICAL_ATOMS = 25.0
#: Standardised embeddings are clipped to this many standard deviations of the pretraining molecules.
CLIP = 6.0


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
class Gin(Encoder):
    """GIN of five layers, pretrained on RDKit descriptors of 15,000 molecules, frozen.

    The embedding is the last hidden layer, standardised with the mean and standard deviation over the
    pretraining molecules (never over the audited task).

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
        self.config, self.pretraining = config, pretraining
        self._network: GinNetwork | None = None
        self._centre = self._spread = torch.empty(0)
        self._device = "cpu"

    def recipe(self) -> dict[str, object]:
        """Return architecture, readout and pretraining."""
        return {
            "encoder": self.name,
            "architecture": asdict(self.config),
            "pretraining": self.pretraining.recipe(),
            "readout": {"typical_atoms": TYPICAL_ATOMS, "clip": CLIP, "batch": EMBED_BATCH},
            "version": 1,
        }

    def prepare(self, device: str = "cpu", progress: Progress = SILENT) -> None:
        """Load the pretrained weights; pretrain on first use (about two minutes on two cores)."""
        if self._network is not None:
            return
        network = GinNetwork(self.config)
        key = content_key(self.key, environment(device))
        tensors = pretrained_file(key, network, self.config.dimensions, self.pretraining, device, progress)
        self._centre, self._spread = tensors.pop("embedding.centre"), tensors.pop("embedding.spread")
        network.load_state_dict(tensors)
        self._network, self._device = network.to(device).eval(), device

    def weights(self) -> dict[str, Tensor]:
        """Return the state of the network, and centre and spread of the embeddings."""
        if self._network is None:
            raise RuntimeError("prepare() has not loaded the network")
        return {
            **{name: value.cpu() for name, value in self._network.state_dict().items()},
            "embedding.centre": self._centre,
            "embedding.spread": self._spread,
        }

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Load weights that were pretrained elsewhere."""
        tensors, network = dict(weights), GinNetwork(self.config)
        try:
            centre, spread = tensors.pop("embedding.centre"), tensors.pop("embedding.spread")
            network.load_state_dict(tensors)
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"these are not the weights of {self.name}: {error}") from None
        if {centre.shape, spread.shape} != {torch.Size([self.config.dimensions])}:
            raise ValueError(f"the scale of {self.name}'s embeddings has the shape {tuple(centre.shape)}")
        self._centre, self._spread, self._network = centre, spread, network.eval()

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the standardised embeddings, shape (molecules, 256)."""
        self.prepare(progress=progress)
        if self._network is None:
            raise RuntimeError("prepare() has not loaded the network")
        raw = embed_graphs(self._network, featurize(smiles, progress), self._device, progress, EMBED_BATCH)
        return ((raw - self._centre) / self._spread).clamp(-CLIP, CLIP).numpy()
