"""What a network is trained to do before it is frozen: descriptors, masked atoms, or telling molecules apart.

Each is a module with the parameters that are thrown away afterwards, a loss over some molecules, and a score
on molecules that were held out. None takes a measured label.
"""

import dataclasses
from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.encoders.graph_network import GraphNetwork
from molecules.graphs import ATOM_CARDINALITIES, GraphBatch, Graphs

#: Share of the atoms that are masked.
MASKED = 0.15
#: Features that atoms and molecules are compared in.
COMPARED = 128
#: Held-out molecules that are scored: all of a usual set.
SCORED = 1024


class Pretext(nn.Module, ABC):
    """A task that needs no label.

    Parameters
    ----------
    graphs : Graphs
        The pretraining molecules.
    """

    #: What the score is, in words.
    scored: str

    def __init__(self, graphs: Graphs) -> None:
        super().__init__()
        self.graphs = graphs

    def batch(self, index: NDArray[np.intp]) -> GraphBatch:
        """Return some molecules, on the device of the parameters."""
        return on_device(self.graphs.select(index), str(next(self.parameters()).device))

    @abstractmethod
    def loss(self, network: GraphNetwork, index: NDArray[np.intp], seed: list[int]) -> Tensor:
        """Return the loss on some molecules; whatever is drawn hangs on the seed alone."""

    @abstractmethod
    def score(self, network: GraphNetwork, index: NDArray[np.intp]) -> float:
        """Return how well held-out molecules are done, larger = better; the network is in evaluation mode."""


class DescriptorRegression(Pretext):
    """Standardised descriptors of a molecule, of its embedding.

    Parameters
    ----------
    graphs : Graphs
        The pretraining molecules.
    dimensions : int
        Of an embedding.
    targets : Tensor, shape (molecules, descriptors)
        Standardised descriptors.
    """

    scored = "median R2 of the descriptors"

    def __init__(self, graphs: Graphs, dimensions: int, targets: Tensor) -> None:
        super().__init__(graphs)
        self.targets = targets
        self.readout = nn.Linear(dimensions, targets.shape[1])

    def predict(self, network: GraphNetwork, index: NDArray[np.intp]) -> Tensor:
        """Return the descriptors that are predicted."""
        predicted: Tensor = self.readout(network(self.batch(index)))
        return predicted

    def loss(self, network: GraphNetwork, index: NDArray[np.intp], seed: list[int]) -> Tensor:
        """Return the smooth L1 loss; nothing is drawn."""
        del seed
        predicted = self.predict(network, index)
        return nn.functional.smooth_l1_loss(predicted, self.targets[index].to(predicted.device))

    def score(self, network: GraphNetwork, index: NDArray[np.intp]) -> float:
        """Return the median over descriptors of R2."""
        predicted, truth = self.predict(network, index).cpu(), self.targets[index]
        varying = truth.std(0) > 0
        error = (predicted - truth).square().mean(0) / truth.var(0, correction=0)
        return float((1 - error[varying]).median())


class AttributeMasking(Pretext):
    """Elements of masked atoms, of what their neighbourhood tells (Hu et al., ICLR 2020).

    A masked atom keeps its bonds, and loses all its features. The projection to the embedding is not trained.
    """

    scored = "accuracy of the elements of masked atoms"

    def __init__(self, graphs: Graphs, width: int) -> None:
        super().__init__(graphs)
        self.elements = nn.Linear(width, ATOM_CARDINALITIES[0])

    def told(self, network: GraphNetwork, index: NDArray[np.intp], seed: list[int]) -> tuple[Tensor, Tensor]:
        """Return logits and elements of masked atoms."""
        batch = self.batch(index)
        drawn = np.random.default_rng(seed).random(len(batch.x))
        # the smallest is masked in any case, so that there is something to be told
        masked = torch.from_numpy(drawn <= max(MASKED, drawn.min())).to(batch.x.device)
        hidden = dataclasses.replace(batch, x=batch.x.masked_fill(masked[:, None], 0))
        return self.elements(network.states(hidden)[masked]), batch.x[masked, 0]

    def loss(self, network: GraphNetwork, index: NDArray[np.intp], seed: list[int]) -> Tensor:
        """Return the cross-entropy."""
        return nn.functional.cross_entropy(*self.told(network, index, seed))

    def score(self, network: GraphNetwork, index: NDArray[np.intp]) -> float:
        """Return the share of masked atoms whose element is told."""
        logits, elements = self.told(network, index, [0])
        return float((logits.argmax(1) == elements).double().mean())


class LocalGlobal(Pretext):
    """Which molecule an atom is of, among those of a batch (InfoGraph: Sun et al., ICLR 2020).

    Atoms and embeddings of molecules are compared by a scalar product; the loss is the Jensen-Shannon bound
    of their mutual information.
    """

    scored = "share of atoms whose own molecule is the nearest"

    def __init__(self, graphs: Graphs, width: int, dimensions: int) -> None:
        super().__init__(graphs)
        self.local, self.whole = nn.Linear(width, COMPARED), nn.Linear(dimensions, COMPARED)

    def products(self, network: GraphNetwork, index: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Return how well atoms fit molecules, (atoms, molecules), and the molecule of each atom."""
        batch = self.batch(index)
        states = network.states(batch)
        whole = self.whole(network.pool(states, batch))
        return self.local(states) @ whole.T / COMPARED**0.5, batch.batch

    def loss(self, network: GraphNetwork, index: NDArray[np.intp], seed: list[int]) -> Tensor:
        """Return the loss: atoms fit their own molecules, and no other ones; nothing is drawn."""
        del seed
        products, of_atom = self.products(network, index)
        own = products.gather(1, of_atom[:, None])
        softplus = nn.functional.softplus
        others = softplus(products).sum() - softplus(own).sum()
        loss: Tensor = softplus(-own).mean() + others / max(1, products.numel() - len(own))
        return loss

    def score(self, network: GraphNetwork, index: NDArray[np.intp]) -> float:
        """Return the share of atoms that fit their own molecule best."""
        products, of_atom = self.products(network, index)
        return float((products.argmax(1) == of_atom).double().mean())


def on_device(batch: GraphBatch, device: str) -> GraphBatch:
    """Return a batch with its tensors on a device."""
    return GraphBatch(
        batch.x.to(device),
        batch.edge_index.to(device),
        batch.edge_attr.to(device),
        batch.batch.to(device),
        batch.num_graphs,
    )
