"""The loop that pretrains a network, its state, and the checkpoint of that state after every epoch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.encoders.graph_network import GraphNetwork
from models.encoders.objectives import SCORED, Pretext
from models.tensor_file import read_tensors, save_tensors
from molecules.progress import Progress

if TYPE_CHECKING:
    from models.encoders.pretraining import Pretraining

#: Share of the molecules held out to say how well the task is learned.
HELD_OUT = 0.05
#: Share of the steps over which the learning rate rises to its full size.
WARM_UP = 0.1


class Trainer:
    """AdamW with a linear warm-up and a cosine to zero.

    Parameters
    ----------
    network : GraphNetwork
        Trained in place.
    pretext : Pretext
        What it is trained to do, and the molecules.
    config : Pretraining
        How long and how fast.
    device : str
        Where.
    """

    def __init__(self, network: GraphNetwork, pretext: Pretext, config: "Pretraining", device: str) -> None:
        self.config, self.device = config, device
        self.network, self.pretext = network.to(device), pretext.to(device)
        self.parameters = [*self.network.parameters(), *self.pretext.parameters()]
        self.optimiser = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        molecules = len(pretext.graphs)
        order = np.random.default_rng(config.seed).permutation(molecules)
        held_out = max(1, int(HELD_OUT * molecules))
        self.held_out, self.train = order[:held_out], order[held_out:]

    def run(self, checkpoint: Path, key: str, progress: Progress) -> None:
        """Train for all epochs, going on from the checkpoint of that key if there is one."""
        done = self._restore(checkpoint, key, progress)
        with progress.stage("pretraining encoder", self.config.epochs * len(self.train)) as step:
            step(done * len(self.train))
            for epoch in range(done, self.config.epochs):
                self._epoch(epoch, step)
                self._save(checkpoint, key, epoch + 1)

    def score(self) -> float:
        """Return how well molecules that were held out are done."""
        self.network.eval()
        with torch.inference_mode():
            return self.pretext.score(self.network, self.held_out[:SCORED])

    def _epoch(self, epoch: int, step: Callable[[int], None]) -> None:
        self.network.train()
        # the order of an epoch depends on its number alone, so that a restored run draws the same
        order = np.random.default_rng([self.config.seed, epoch]).permutation(self.train)
        size = self.config.batch_size
        per_epoch = len(range(0, len(order), size))
        for number, start in enumerate(range(0, len(order), size)):
            index = order[start : start + size]
            self._set_rate((epoch * per_epoch + number) / (self.config.epochs * per_epoch))
            loss = self.pretext.loss(self.network, index, [self.config.seed, epoch, number])
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

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """Name every tensor of the state: network, what is thrown away, optimiser."""
        yield from ((f"network.{k}", v) for k, v in self.network.state_dict().items())
        yield from ((f"pretext.{k}", v) for k, v in self.pretext.state_dict().items())
        for number, parameter in enumerate(self.parameters):
            state = self.optimiser.state[parameter]  # empty where the task does not reach a parameter
            yield from (
                (f"adamw.{number}.{k}", state[k]) for k in ("exp_avg", "exp_avg_sq", "step") if k in state
            )

    def _save(self, checkpoint: Path, key: str, epochs: int) -> None:
        save_tensors(checkpoint, {**dict(self._state()), "epochs": torch.tensor(epochs)}, key)

    def _restore(self, checkpoint: Path, key: str, progress: Progress) -> int:
        saved = read_tensors(checkpoint, key, progress)
        if saved is None:
            return 0

        def under(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}

        self.network.load_state_dict(under("network."))
        self.pretext.load_state_dict(under("pretext."))
        for number, parameter in enumerate(self.parameters):
            state = {
                name: value.to(parameter.device if name != "step" else "cpu")
                for name, value in under(f"adamw.{number}.").items()
            }
            if state:
                self.optimiser.state[parameter] = state
        epochs = int(saved["epochs"])
        progress.note(f"encoder: pretraining goes on after epoch {epochs} of {self.config.epochs}")
        return epochs
