"""A trained block of runs on disk: one safetensors file, written whole or not at all."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.heads import Bank, Heads
from molecules.cache import atomic_write
from molecules.progress import SILENT, Progress


def save_bank(path: Path, bank: Bank) -> None:
    """Write a block of runs to ``path``."""
    tensors = {"centre": bank.centre, "spread": bank.spread, "first_run": torch.tensor(bank.first_run)}
    for layer, (weight, bias) in enumerate(zip(bank.snapshots.weights, bank.snapshots.biases, strict=True)):
        tensors[f"weight.{layer}"] = weight.contiguous()
        tensors[f"bias.{layer}"] = bias.contiguous()
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)


def load_bank(path: Path, progress: Progress = SILENT) -> Bank | None:
    """Return the block of runs in ``path``; None where it is absent or, with a note, damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as stream:
            names = set(stream.keys())
            layers = range(sum(name.startswith("weight.") for name in names))
            weights = tuple(stream.get_tensor(f"weight.{layer}") for layer in layers)
            biases = tuple(stream.get_tensor(f"bias.{layer}") for layer in layers)
            centre, spread = stream.get_tensor("centre"), stream.get_tensor("spread")
            return Bank(Heads(weights, biases), centre, spread, int(stream.get_tensor("first_run")))
    except (SafetensorError, OSError) as error:
        progress.note(f"bank: {path} is damaged ({error}); training these runs again")
        return None
