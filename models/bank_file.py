"""A trained block of runs on disk: one file of tensors."""

from pathlib import Path

import torch

from models.heads import Bank, Heads
from models.tensor_file import read_tensors, save_tensors
from molecules.progress import SILENT, Progress

#: What stands before the names of parameters of encoders that were trained with the heads.
_ENCODER = "encoder."


def save_bank(path: Path, bank: Bank, key: str) -> str:
    """Write a block of runs to ``path``; return the hash of its content.

    Parameters
    ----------
    path : Path
        Where to.
    bank : Bank
        The block.
    key : str
        Hash of everything the block depends on.
    """
    tensors = {"centre": bank.centre, "spread": bank.spread, "first_run": torch.tensor(bank.first_run)}
    for layer, (weight, bias) in enumerate(zip(bank.snapshots.weights, bank.snapshots.biases, strict=True)):
        tensors[f"weight.{layer}"] = weight
        tensors[f"bias.{layer}"] = bias
    tensors |= {f"{_ENCODER}{name}": values for name, values in bank.encoders.items()}
    return save_tensors(path, tensors, key)


def load_bank(path: Path, key: str, progress: Progress = SILENT) -> Bank | None:
    """Return the block of runs in ``path``; None where it is absent or, with a note, not that of ``key``."""
    tensors = read_tensors(path, key, progress)
    if tensors is None:
        return None
    layers = range(sum(name.startswith("weight.") for name in tensors))
    weights = tuple(tensors[f"weight.{layer}"] for layer in layers)
    biases = tuple(tensors[f"bias.{layer}"] for layer in layers)
    encoders = {
        name.removeprefix(_ENCODER): values for name, values in tensors.items() if name.startswith(_ENCODER)
    }
    heads = Heads(weights, biases)
    return Bank(heads, tensors["centre"], tensors["spread"], int(tensors["first_run"]), encoders)
