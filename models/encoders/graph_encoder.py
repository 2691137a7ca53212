"""Encoders that are torch networks over molecular graphs: what they have in common.

A network is pretrained once by this project, its embeddings are standardised with the mean and the standard
deviation over the pretraining molecules (never over an audited task), and its weights may be quantized.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.encoders.base import Encoder, EncoderState
from models.encoders.graph_network import CLIP, TYPICAL_ATOMS, GraphConfig, GraphNetwork
from models.encoders.objectives import on_device
from models.encoders.pretraining import Pretraining, embed_graphs, pretrained_file
from models.encoders.tuning import CENTRE, SPREAD, Tuning
from models.quantized_network import quantize_network, reestimate_norms
from models.quantizers.base import Quantizer, source_key
from models.quantizers.quantized import Quantized
from molecules.cache import content_key, environment
from molecules.graphs import Graphs, featurize
from molecules.progress import SILENT, Progress

#: Molecules a batch when embedding; part of the arithmetic, so it is fixed.
EMBED_BATCH = 512
#: Molecules whose graphs are held at once where there are too many to keep: whole batches.
BLOCK = 16 * EMBED_BATCH
#: Up to so many molecules are embedded in one piece, and their graphs kept for a quantized copy.
KEPT = 65_536


class GraphEncoder(Encoder):
    """A network from a ``GraphBatch`` to embeddings, pretrained without labels and then frozen.

    The embedding is the last hidden layer, standardised. Subclasses give ``name``, ``description``,
    ``config_type`` and ``network_type``.

    Parameters
    ----------
    config : GraphConfig or None
        Architecture; None for the usual one.
    pretraining : Pretraining or None
        What it is trained on and how; None for what is usual.
    """

    config_type: ClassVar[type[GraphConfig]]
    network_type: ClassVar[Callable[..., GraphNetwork]]
    usual: ClassVar[Pretraining] = Pretraining()
    trainable: ClassVar[bool] = True

    def __init__(self, config: GraphConfig | None = None, pretraining: Pretraining | None = None) -> None:
        self.config = config if config is not None else self.config_type()
        self.pretraining = pretraining if pretraining is not None else self.usual
        self.dimensions = self.config.dimensions
        self._network: GraphNetwork | None = None
        self._centre = self._spread = torch.empty(0)
        self._device = "cpu"
        self._layers: dict[str, Quantized] = {}
        self._treatment: dict[str, object] = {}
        #: Graphs of the molecules last embedded, shared with quantized copies, which embed the same ones.
        self._recent: dict[tuple[str, ...], Graphs] = {}

    def network(self) -> GraphNetwork:
        """Return the network, with weights that are not trained."""
        return self.network_type(self.config)

    def architecture(self) -> dict[str, object]:
        """Return everything that the network depends on before it is trained, JSON-able."""
        return asdict(self.config)

    def readout(self) -> dict[str, object]:
        """Return constants of the step from atoms to a molecule, JSON-able: what sums are divided by."""
        return {"typical_atoms": TYPICAL_ATOMS}

    def recipe(self) -> dict[str, object]:
        """Return architecture, readout and pretraining, and how the weights were quantized, if they were."""
        return {
            "encoder": self.name,
            "architecture": self.architecture(),
            "pretraining": self.pretraining.recipe(),
            "readout": {**self.readout(), "clip": CLIP, "batch": EMBED_BATCH},
            "version": 1,
            **self._treatment,
        }

    @property
    def parameters(self) -> int:
        """Numbers that the network learns."""
        network = self._network if self._network is not None else self.network()
        return sum(parameter.numel() for parameter in network.parameters())

    def seen(self) -> list[str]:
        """Return the molecules of the pretraining."""
        return self.pretraining.smiles()

    def options(self) -> dict[str, str]:
        """Return objective and hash of the molecules where they are not the usual ones."""
        found = {}
        if self.pretraining.objective is not self.usual.objective:
            found["objective"] = self.pretraining.objective.value
        if self.pretraining.source is not None:
            found["molecules"] = self.pretraining.source.sha256
        return found

    def prepare(self, device: str = "cpu", progress: Progress = SILENT) -> None:
        """Load the pretrained weights; pretrain on first use (some minutes on two cores)."""
        if self._network is not None:
            return
        network = self.network()
        key = content_key(self.key, environment(device))
        tensors = pretrained_file(key, network, self.dimensions, self.pretraining, device, progress)
        self._centre, self._spread = tensors.pop(CENTRE), tensors.pop(SPREAD)
        network.load_state_dict(tensors)
        self._network, self._device = network.to(device).eval(), device

    def _prepared(self) -> GraphNetwork:
        if self._network is None:
            raise RuntimeError("prepare() has not loaded the network")
        return self._network

    def state(self) -> EncoderState:
        """Return the state of the network, and centre and spread of the embeddings."""
        network = self._prepared()
        kept = {name: value.cpu() for name, value in network.state_dict().items() if name not in self._layers}
        kept |= {CENTRE: self._centre, SPREAD: self._spread}
        return EncoderState(kept, self._layers)

    def restore(self, state: EncoderState, device: str | None = None) -> None:
        """Load weights that were pretrained, and perhaps quantized, elsewhere."""
        tensors, network = state.tensors(), self.network()
        shapes = {name: value.shape for name, value in network.state_dict().items()}
        try:
            centre, spread = tensors.pop(CENTRE), tensors.pop(SPREAD)
            for name in state.layers:  # matrices take the shape of the parameters that they are
                tensors[name] = tensors[name].reshape(shapes[name])
            network.load_state_dict(tensors)
        except (KeyError, RuntimeError) as error:
            raise ValueError(f"these are not the weights of {self.name}: {error}") from None
        if {centre.shape, spread.shape} != {torch.Size([self.dimensions])}:
            raise ValueError(f"the scale of {self.name}'s embeddings has the shape {tuple(centre.shape)}")
        self._centre, self._spread, self._device = centre, spread, device or self._device
        self._network = network.to(self._device).eval()
        self._layers = dict(state.layers)

    def quantized(self, quantizer: Quantizer, smiles: Sequence[str] = (), norms: Sequence[str] = ()) -> Self:
        """Return this encoder with its weights quantized, by the policy of ``models.quantized_network``."""
        made, device = copy.copy(self), self._device
        network = made._network = copy.deepcopy(self._prepared())
        made._treatment = {"quantizer": quantizer.identity(), "policy": source_key(quantize_network)}
        run = None
        if quantizer.calibration != "none" and smiles:
            made._treatment["calibration"] = list(smiles)
            run = partial(_feed, network, featurize(smiles), device)
        made._layers = quantize_network(network, quantizer, run)
        before = self._prepared().state_dict()
        changed = any(not torch.equal(before[name], value) for name, value in network.state_dict().items())
        if norms and changed:
            made._treatment["norms"] = list(norms)
            reestimate_norms(network, partial(_feed, network, featurize(norms), device))
        return made

    def tuning(self, device: str = "cpu", progress: Progress = SILENT) -> Tuning:
        """Return what it takes to train copies of this encoder with heads."""
        self.prepare(device, progress)
        return Tuning(self._prepared(), self._centre, self._spread, self._device)

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the standardised embeddings, shape (molecules, dimensions)."""
        self.prepare(progress=progress)
        if len(smiles) <= KEPT:
            return self._embedded(self.graphs(smiles, progress), progress)
        out = np.empty((len(smiles), self.dimensions), dtype=np.float32)
        with progress.stage("embedding", len(smiles)) as step:
            done = 0
            for found in self.stream(smiles):
                out[done : done + len(found)] = found
                done += len(found)
                step(len(found))
        return out

    def stream(self, smiles: Iterable[str]) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings of molecules block by block, in memory that does not grow with their number.

        They are those of :meth:`encode`.

        Parameters
        ----------
        smiles : iterable of str
            SMILES, such as the lines of a file; read as they are needed.
        """
        self.prepare()
        source = iter(smiles)
        while block := list(islice(source, BLOCK)):
            yield self._embedded(featurize(block))

    def _embedded(self, graphs: Graphs, progress: Progress = SILENT) -> NDArray[np.float32]:
        raw = embed_graphs(self._prepared(), graphs, self._device, progress, EMBED_BATCH)
        return ((raw - self._centre) / self._spread).clamp(-CLIP, CLIP).numpy()

    def graphs(self, smiles: Sequence[str], progress: Progress = SILENT) -> Graphs:
        """Return the graphs of molecules, those of the last call again."""
        key = tuple(smiles)
        if key not in self._recent:
            self._recent.clear()
            self._recent[key] = featurize(key, progress)
        return self._recent[key]


def _feed(network: nn.Module, graphs: Graphs, device: str) -> None:
    """Show graphs to a network, as it is."""
    for start in range(0, len(graphs), EMBED_BATCH):
        network(on_device(graphs.batch(start, start + EMBED_BATCH), device))
