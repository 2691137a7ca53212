"""Encoders that are trained with the heads: one for every run of a bank, all of them at once.

What is frozen in the usual protocol starts here from the pretrained weights and follows the labels, so that
encoder and head together are what leaks. Normalisation keeps the running statistics of the pretraining: a
molecule is then embedded the same whatever stands beside it, and no statistics of members are published.
"""

import warnings
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call, vmap

from models.encoders.base import EncoderState
from models.encoders.graph_network import CLIP, GraphNetwork
from models.encoders.objectives import on_device
from models.quantized_network import Role, roles
from models.quantizers.quantized import Quantized
from molecules.graphs import GraphBatch, Graphs
from molecules.padded_graphs import padded

# recurrent cells have no rule for several at once, so torch loops over them: no news to users
warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)

#: Names of mean and standard deviation of the embeddings beside the weights.
CENTRE, SPREAD = "embedding.centre", "embedding.spread"
#: Learning rate of the encoder, in those of the head: what was pretrained is moved less far.
RATE = 0.3
#: Raised when a change to the training of encoders moves their weights.
VERSION = 1


def tuning_recipe() -> dict[str, object]:
    """Return what trained encoders depend on, beside the pretrained one and the heads; JSON-able."""
    return {"trained encoder": VERSION, "rate": RATE, "norms": "pretrained"}


class Tuning:
    """A pretrained network, and what it takes to train copies of it.

    Parameters
    ----------
    network : GraphNetwork
        Pretrained; it is put into evaluation mode and not changed.
    centre, spread : Tensor, shape (dimensions,)
        What embeddings are standardised with; they stay as they are.
    device : str
        Where the network is.
    """

    def __init__(self, network: GraphNetwork, centre: Tensor, spread: Tensor, device: str) -> None:
        self.network, self.device = network.eval(), device
        self._centre, self._spread = centre.to(device), spread.to(device)
        self._buffers = dict(network.named_buffers())
        self.roles = roles(network)
        #: Whether copies are run by one call. On a CPU they are not: cores are busy with one copy, and what
        #: fills batches up to one shape then costs more than a loop does.
        self.side_by_side = network.side_by_side and torch.device(device).type != "cpu"

    @property
    def dimensions(self) -> int:
        """Features of an embedding."""
        return len(self._centre)

    def initial(self, runs: int) -> dict[str, Tensor]:
        """Return the pretrained parameters for every run, by name, each of shape (runs, ...)."""
        return {
            name: value.detach().expand(runs, *value.shape).clone()
            for name, value in self.network.named_parameters()
        }

    def decays(self, name: str) -> bool:
        """Tell whether a parameter is a weight, which weight decay acts on."""
        return self.roles[name] is Role.QUANTIZED

    def together(self, parameters: Mapping[str, Tensor], graphs: Graphs, index: NDArray[np.int64]) -> Tensor:
        """Return the embeddings of each run's own molecules by its own encoder, for training.

        Parameters
        ----------
        parameters : mapping of str to Tensor
            By name, each of shape (R, ...).
        graphs : Graphs
            What molecules are taken from.
        index : ndarray of int, shape (R, B)
            The molecules of every run.

        Returns
        -------
        Tensor, shape (R, B, dimensions)
        """
        molecules = index.shape[1]
        if not self.side_by_side:
            # gradients of what is unbound are stacked once; those of what is indexed are added up, run by run
            of_runs = zip(*(values.unbind() for values in parameters.values()), strict=True)
            owns = (dict(zip(parameters, values, strict=True)) for values in of_runs)
            batches = (graphs.select(own) for own in index)
            return torch.stack([self.alone(o, b) for o, b in zip(owns, batches, strict=True)])
        batch = padded(graphs, index)
        parts = [part.to(self.device) for part in (batch.x, batch.edge_index, batch.edge_attr, batch.batch)]

        def one(own: dict[str, Tensor], x: Tensor, bonds: Tensor, features: Tensor, of: Tensor) -> Tensor:
            return self._embedded(own, GraphBatch(x, bonds, features, of, molecules + 1))[:molecules]

        found: Tensor = vmap(one, randomness="error")(dict(parameters), *parts)
        return found

    def alone(self, parameters: Mapping[str, Tensor], batch: GraphBatch) -> Tensor:
        """Return the embeddings of a batch by one encoder, shape (molecules, dimensions); from any device."""
        own = {name: value.to(self.device) for name, value in parameters.items()}
        return self._embedded(own, on_device(batch, self.device))

    def _embedded(self, parameters: dict[str, Tensor], batch: GraphBatch) -> Tensor:
        raw: Tensor = functional_call(self.network, {**self._buffers, **parameters}, (batch,))
        return ((raw - self._centre) / self._spread).clamp(-CLIP, CLIP)

    def state(self, parameters: Mapping[str, Tensor], layers: Mapping[str, Quantized]) -> EncoderState:
        """Return what files hold of one encoder.

        Parameters
        ----------
        parameters : mapping of str to Tensor
            Its parameters.
        layers : mapping of str to Quantized
            Those that are quantized.
        """
        kept = {**self.network.state_dict(), **parameters, CENTRE: self._centre, SPREAD: self._spread}
        return EncoderState({n: v.detach().cpu() for n, v in kept.items() if n not in layers}, dict(layers))


def backward_bytes(network: GraphNetwork, graphs: Graphs) -> int:
    """Return the bytes that a backward pass of graphs through a network needs beside its weights.

    They are held from the forward pass on, for all copies that are trained at once.

    Parameters
    ----------
    network : GraphNetwork
        Its weights need not be trained.
    graphs : Graphs
        One batch.
    """
    weights = {value.untyped_storage().data_ptr() for value in network.parameters()}
    held: dict[int, int] = {}

    def hold(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            held[storage.data_ptr()] = storage.nbytes()
        return value

    with saved_tensors_hooks(hold, lambda value: value):
        made = network.eval()(graphs.batch(0, len(graphs)))
    del made  # what is held is freed with it, and then its place may be another's
    return sum(held.values())


class TunedInputs:
    """Molecules as what heads are trained on, together with encoders.

    Parameters
    ----------
    tuning : Tuning
        The pretrained network.
    graphs : Graphs
        What molecules are taken from.
    places : ndarray of int, shape (pool,)
        Which of them the records are.
    """

    def __init__(self, tuning: Tuning, graphs: Graphs, places: NDArray[np.int64]) -> None:
        self._tuning, self._graphs, self._places = tuning, graphs, places
        self.dimensions, self.device = tuning.dimensions, torch.device(tuning.device)

    def initial(self, runs: int) -> dict[str, Tensor]:
        """Return the parameters that are trained with the heads, each of shape (runs, ...)."""
        return self._tuning.initial(runs)

    def groups(self, parameters: Mapping[str, Tensor], rate: float, decay: float) -> list[dict[str, object]]:
        """Return the parameters as groups of an optimiser, for rate and weight decay of the heads."""
        weights = [value for name, value in parameters.items() if self._tuning.decays(name)]
        others = [value for name, value in parameters.items() if not self._tuning.decays(name)]
        return [
            {"params": weights, "lr": RATE * rate, "weight_decay": decay},
            {"params": others, "lr": RATE * rate, "weight_decay": 0.0},
        ]

    def __call__(self, parameters: Mapping[str, Tensor], batch: Tensor) -> Tensor:
        """Return the inputs (R, B, dimensions) of the heads for the molecules (R, B) of a step."""
        return self._tuning.together(parameters, self._graphs, self._places[batch.cpu().numpy()])
