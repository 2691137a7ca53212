"""Pretraining of a graph encoder: no label of any audited task enters.

Where nobody says otherwise the network predicts standardised RDKit descriptors of the molecules that come
with RDKit: the first 5,000 of the NCI set and the 10,000 WEHI screening compounds. It is trained once, with a
checkpoint after every epoch, so that a stopped pretraining goes on where it was and ends in the same
weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.encoders.descriptor_targets import TARGET_CLIP, descriptor_targets
from models.encoders.graph_network import GraphNetwork
from models.encoders.objective_name import Objective
from models.encoders.objectives import (
    COMPARED,
    MASKED,
    AttributeMasking,
    DescriptorRegression,
    LocalGlobal,
    Pretext,
    on_device,
)
from models.encoders.pretraining_molecules import MoleculeFile, molecule_files, pretraining_smiles
from models.encoders.trainer import HELD_OUT, WARM_UP, Trainer
from models.tensor_file import read_tensors, save_tensors
from molecules.cache import cache_dir, file_sha256
from molecules.descriptors import LIMIT, NAMES
from molecules.graphs import Graphs, featurize
from molecules.progress import SILENT, Progress


@dataclass(frozen=True)
class Pretraining:
    """How an encoder is pretrained.

    Attributes
    ----------
    epochs, batch_size, learning_rate, weight_decay, seed :
        Of AdamW with a linear warm-up over the first tenth of the steps and a cosine to zero.
    molecules : int or None
        Use only the first so many molecules (for trials and tests); None for all.
    objective : Objective
        What the network is trained to do.
    source : MoleculeFile or None
        Molecules of the user's; None for those that come with RDKit.
    """

    epochs: int = 25
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0
    molecules: int | None = None
    objective: Objective = Objective.DESCRIPTORS
    source: MoleculeFile | None = None

    def recipe(self) -> dict[str, object]:
        """Return everything the weights depend on: parameters, molecules and what is learned of them."""
        source = self.source
        files = [source.sha256] if source is not None else [file_sha256(path) for path in molecule_files()]
        # what is as it always was is not named, so that weights of before are found again
        molecules = {"own molecules": True} if source is not None else {}
        if self.objective is Objective.NONE:
            told = {"objective": self.objective, "seed": self.seed, "molecules": self.molecules}
            return {**told, "files": files, **molecules, "version": 1}
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "seed": self.seed,
            "molecules": self.molecules,
            "files": files,
            **molecules,
            **self._learned(),
            "held_out": HELD_OUT,
            "warm_up": WARM_UP,
            "version": 1,
        }

    def _learned(self) -> dict[str, object]:
        """Return the constants of the objective."""
        if self.objective is Objective.MASKING:
            return {"objective": self.objective, "masked": MASKED, "loss": "cross-entropy"}
        if self.objective is Objective.CONTRASTIVE:
            return {"objective": self.objective, "compared": COMPARED, "loss": "Jensen-Shannon"}
        return {"descriptors": [*NAMES, LIMIT], "target_clip": TARGET_CLIP, "loss": "smooth L1"}

    def smiles(self, progress: Progress = SILENT) -> list[str]:
        """Return the molecules, as canonical SMILES."""
        return pretraining_smiles(self.molecules, self.source, progress)


def pretrained_file(
    key: str,
    network: GraphNetwork,
    dimensions: int,
    config: Pretraining,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> dict[str, Tensor]:
    """Return the weights of a pretrained encoder and the scale of its embeddings, training it if need be.

    Parameters
    ----------
    key : str
        Hash of the encoder's recipe and of the environment: names the cached file.
    network : GraphNetwork
        Maps a ``GraphBatch`` to embeddings of ``dimensions`` features.

    Returns
    -------
    dict of str to Tensor
        The state of the network, and ``embedding.centre`` and ``embedding.spread`` over the pretraining
        molecules.
    """
    path = cache_dir("encoders") / f"{key}.safetensors"
    cached = read_tensors(path, key, progress)
    if cached is not None:
        return cached
    smiles = config.smiles(progress)
    graphs = featurize(smiles, progress)
    torch.manual_seed(config.seed)
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    network.look_at(graphs)
    if config.objective is not Objective.NONE:
        progress.note(f"encoder: pretraining on {len(smiles):,} molecules, once; kept as {path}")
        pretext = _pretext(network, dimensions, smiles, graphs, config, progress)
        trainer = Trainer(network, pretext, config, device)
        trainer.run(path.with_suffix(".checkpoint"), key, progress)
        progress.note(f"encoder: {pretext.scored} on held-out molecules {trainer.score():.3f}")
    raw = embed_graphs(network.to(device), graphs, device)
    tensors = {
        **network.state_dict(),
        "embedding.centre": raw.mean(0),
        "embedding.spread": _spread(raw),
    }
    save_tensors(path, tensors, key)
    path.with_suffix(".checkpoint").unlink(missing_ok=True)
    return tensors


def _pretext(
    network: GraphNetwork,
    dimensions: int,
    smiles: list[str],
    graphs: Graphs,
    config: Pretraining,
    progress: Progress,
) -> Pretext:
    """Return what a network is trained to do."""
    if config.objective is Objective.MASKING:
        return AttributeMasking(graphs, network.width)
    if config.objective is Objective.CONTRASTIVE:
        return LocalGlobal(graphs, network.width, dimensions)
    return DescriptorRegression(graphs, dimensions, descriptor_targets(smiles, progress))


def _spread(raw: Tensor) -> Tensor:
    """Return the standard deviations of embeddings, those that would make much of nothing made larger."""
    spread = raw.std(0)
    typical = float(spread.median())
    if typical == 0:  # half of the features are dead
        alive = spread[spread > 0]
        typical = float(alive.median()) if len(alive) else 10.0
    # a feature that is dead on the pretraining molecules must not explode on others
    return spread.clamp(min=0.1 * typical)


def embed_graphs(
    network: torch.nn.Module,
    graphs: Graphs,
    device: str = "cpu",
    progress: Progress = SILENT,
    batch: int = 512,
) -> Tensor:
    """Return the raw embeddings of all graphs, shape (molecules, dimensions), in evaluation mode."""
    network.eval()
    out: Tensor | None = None
    with torch.no_grad(), progress.stage("embedding", len(graphs)) as step:
        for start in range(0, len(graphs), batch):
            piece = graphs.batch(start, min(start + batch, len(graphs)))
            found = network(on_device(piece, device)).cpu()
            if out is None:
                out = torch.empty(len(graphs), found.shape[1])
            out[start : start + len(found)] = found
            step(piece.num_graphs)
    return out if out is not None else torch.empty(0, 0)
