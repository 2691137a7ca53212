"""Pretraining of a graph encoder on computed descriptors: no label of any audited task enters.

The network predicts standardised RDKit descriptors of the molecules that come with RDKit: the first 5,000
of the NCI set and the 10,000 WEHI screening compounds. It is trained once, with a checkpoint after every
epoch, so that a stopped pretraining goes on where it was and ends in the same weights.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.tensor_file import read_tensors, save_tensors
from molecules.cache import cache_dir, content_key, environment, file_sha256
from molecules.descriptors import LIMIT, NAMES, descriptors
from molecules.graphs import GraphBatch, Graphs, featurize
from molecules.parse import canonical, is_empty, parse_all
from molecules.progress import SILENT, Progress

#: Standardised descriptors are clipped to this many standard deviations: their tails are long.
TARGET_CLIP = 5.0
#: Share of the molecules held out to say how well the descriptors are predicted.
HELD_OUT = 0.05
#: Share of the steps over which the learning rate rises to its full size.
WARM_UP = 0.1


@dataclass(frozen=True)
class Pretraining:
    """How an encoder is pretrained.

    Attributes
    ----------
    epochs, batch_size, learning_rate, weight_decay, seed :
        Of AdamW with a linear warm-up over the first tenth of the steps and a cosine to zero.
    molecules : int or None
        Use only the first so many molecules (for trials and tests); None for all.
    """

    epochs: int = 25
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 0
    molecules: int | None = None

    def recipe(self) -> dict[str, object]:
        """Return everything the weights depend on: parameters, molecules and descriptors."""
        return {
            **asdict(self),
            "files": [file_sha256(path) for path in molecule_files()],
            "descriptors": [*NAMES, LIMIT],
            "target_clip": TARGET_CLIP,
            "held_out": HELD_OUT,
            "warm_up": WARM_UP,
            "loss": "smooth L1",
            "version": 1,
        }


@cache
def molecule_files() -> tuple[Path, Path]:
    """Return the NCI and the WEHI file of the RDKit installation."""
    from rdkit import RDConfig

    data = Path(RDConfig.RDDataDir)
    return data / "NCI" / "first_5K.smi", data / "Pains" / "test_data" / "wehi_mols.csv"


def pretraining_smiles(limit: int | None = None) -> list[str]:
    """Return the distinct canonical SMILES of the pretraining molecules, in file order."""
    return list(_all_smiles()[:limit])


@cache  # parsing takes seconds, and every cell that is calibrated on public molecules asks for them
def _all_smiles() -> tuple[str, ...]:
    nci, wehi = molecule_files()
    raw = [line.split()[0] for line in nci.read_text().splitlines() if line.strip()]
    with wehi.open(newline="") as stream:
        raw += [row[0] for row in csv.reader(stream) if row]
    molecules = (mol for mol in parse_all(raw) if mol is not None and not is_empty(mol))
    return tuple(dict.fromkeys(map(canonical, molecules)))


def pretrained_file(
    key: str,
    network: nn.Module,
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
    network : Module
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
    smiles = pretraining_smiles(config.molecules)
    progress.note(f"encoder: pretraining on {len(smiles):,} molecules, once; kept as {path}")
    graphs, targets = _training_set(smiles, progress)
    torch.manual_seed(config.seed)
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    trainer = _Trainer(network, dimensions, graphs, targets, config, device)
    trainer.run(path.with_suffix(".checkpoint"), key, progress)
    raw = embed_graphs(network, graphs, device)
    spread = raw.std(0)
    # a feature that is dead on the pretraining molecules must not explode on others
    spread = spread.clamp(min=0.1 * float(spread.median()))
    tensors = {
        **network.state_dict(),
        "embedding.centre": raw.mean(0),
        "embedding.spread": spread,
    }
    save_tensors(path, tensors, key)
    path.with_suffix(".checkpoint").unlink(missing_ok=True)
    progress.note(f"encoder: median R2 of the descriptors on held-out molecules {trainer.held_out_r2():.3f}")
    return tensors


def embed_graphs(
    network: nn.Module, graphs: Graphs, device: str = "cpu", progress: Progress = SILENT, batch: int = 512
) -> Tensor:
    """Return the raw embeddings of all graphs, shape (molecules, dimensions), in evaluation mode."""
    network.eval()
    out = []
    with torch.inference_mode(), progress.stage("embedding", len(graphs)) as step:
        for start in range(0, len(graphs), batch):
            piece = graphs.batch(start, min(start + batch, len(graphs)))
            out.append(network(on_device(piece, device)).cpu())
            step(piece.num_graphs)
    return torch.cat(out).clone()


def on_device(batch: GraphBatch, device: str) -> GraphBatch:
    """Return a batch with its tensors on a device."""
    return GraphBatch(
        batch.x.to(device),
        batch.edge_index.to(device),
        batch.edge_attr.to(device),
        batch.batch.to(device),
        batch.num_graphs,
    )


def _training_set(smiles: list[str], progress: Progress) -> tuple[Graphs, Tensor]:
    """Return graphs and standardised descriptors, cached by content (they take half a minute)."""
    key = content_key(smiles, [*NAMES, LIMIT, TARGET_CLIP], environment())
    path = cache_dir("encoders") / f"descriptors-{key}.safetensors"
    cached = read_tensors(path, key, progress)
    graphs = featurize(smiles, progress)
    if cached is not None:
        return graphs, cached["targets"]
    values = descriptors(smiles, progress).values
    spread = values.std(0)
    varying = spread > 0
    standard = (values[:, varying] - values[:, varying].mean(0)) / spread[varying]
    targets = torch.from_numpy(np.clip(standard, -TARGET_CLIP, TARGET_CLIP).astype(np.float32, order="C"))
    save_tensors(path, {"targets": targets}, key)
    return graphs, targets


class _Trainer:
    """The training loop, its state, and the checkpoint of that state."""

    def __init__(
        self,
        network: nn.Module,
        dimensions: int,
        graphs: Graphs,
        targets: Tensor,
        config: Pretraining,
        device: str,
    ) -> None:
        self.graphs, self.targets, self.config, self.device = graphs, targets, config, device
        self.network = network.to(device)
        self.readout = nn.Linear(dimensions, targets.shape[1]).to(device)
        self.parameters = [*self.network.parameters(), *self.readout.parameters()]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        order = np.random.default_rng(config.seed).permutation(len(graphs))
        held_out = max(1, int(HELD_OUT * len(graphs)))
        self.held_out, self.train = order[:held_out], order[held_out:]

    def run(self, checkpoint: Path, key: str, progress: Progress) -> None:
        """Train for all epochs, going on from the checkpoint of that key if there is one."""
        done = self._restore(checkpoint, key, progress)
        with progress.stage("pretraining encoder", self.config.epochs * len(self.train)) as step:
            step(done * len(self.train))
            for epoch in range(done, self.config.epochs):
                self._epoch(epoch, step)
                self._save(checkpoint, key, epoch + 1)

    def _epoch(self, epoch: int, step: Callable[[int], None]) -> None:
        self.network.train()
        # the order of an epoch depends on its number alone, so that a restored run draws the same
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.train)
        size = self.config.batch_size
        per_epoch = len(range(0, len(order), size))
        for number, start in enumerate(range(0, len(order), size)):
            index = order[start : start + size]
            self._set_rate((epoch * per_epoch + number) / (self.config.epochs * per_epoch))
            loss = nn.functional.smooth_l1_loss(self._predict(index), self.targets[index].to(self.device))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            step(len(index))

    def _set_rate(self, share_done: float) -> None:
        if share_done < WARM_UP:
            factor = share_done / WARM_UP
        else:
            factor = 0.5 * (1 + np.cos(np.pi * (share_done - WARM_UP) / (1 - WARM_UP)))
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * factor

    def _predict(self, index: NDArray[np.intp]) -> Tensor:
        predicted: Tensor = self.readout(self.network(on_device(self.graphs.select(index), self.device)))
        return predicted

    def held_out_r2(self) -> float:
        """Return the median over descriptors of R2 on the held-out molecules."""
        self.network.eval()
        with torch.inference_mode():
            predicted = self._predict(self.held_out).cpu()
        truth = self.targets[self.held_out]
        varying = truth.std(0) > 0
        error = (predicted - truth).square().mean(0) / truth.var(0, correction=0)
        return float((1 - error[varying]).median())

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """Name every tensor of the state: network, readout, optimiser."""
        yield from ((f"network.{k}", v) for k, v in self.network.state_dict().items())
        yield from ((f"readout.{k}", v) for k, v in self.readout.state_dict().items())
        for number, parameter in enumerate(self.parameters):
            state = self.optimiser.state[parameter]
            yield from ((f"adamw.{number}.{k}", state[k]) for k in ("exp_avg", "exp_avg_sq", "step"))

    def _save(self, checkpoint: Path, key: str, epochs: int) -> None:
        save_tensors(checkpoint, {**dict(self._state()), "epochs": torch.tensor(epochs)}, key)

    def _restore(self, checkpoint: Path, key: str, progress: Progress) -> int:
        saved = read_tensors(checkpoint, key, progress)
        if saved is None:
            return 0

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}

        self.network.load_state_dict(under("network."))
        self.readout.load_state_dict(under("readout."))
        for number, parameter in enumerate(self.parameters):
            self.optimiser.state[parameter] = {
                name: value.to(parameter.device if name != "step" else "cpu")
                for name, value in under(f"adamw.{number}.").items()
            }
        epochs = int(saved["epochs"])
        progress.note(f"encoder: pretraining goes on after epoch {epochs} of {self.config.epochs}")
        return epochs
