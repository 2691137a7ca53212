"""Descriptors of the pretraining molecules: computed once, standardised over them, and their scale."""

import numpy as np
import torch
from torch import Tensor

from models.tensor_file import read_tensors, save_tensors
from molecules.cache import cache_dir, content_key, environment
from molecules.descriptors import LIMIT, NAMES, descriptors
from molecules.progress import SILENT, Progress

#: Standardised descriptors are clipped to this many standard deviations: their tails are long.
TARGET_CLIP = 5.0


def descriptor_values(smiles: list[str], progress: Progress = SILENT) -> Tensor:
    """Return the descriptors of molecules, shape (molecules, descriptors), cached by content.

    They take half a minute.
    """
    key = content_key("values", smiles, [*NAMES, LIMIT], environment())
    path = cache_dir("encoders") / f"descriptors-{key}.safetensors"
    cached = read_tensors(path, key, progress)
    if cached is not None:
        return cached["values"]
    values = torch.from_numpy(descriptors(smiles, progress).values)
    save_tensors(path, {"values": values}, key)
    return values


def descriptor_targets(smiles: list[str], progress: Progress = SILENT) -> Tensor:
    """Return what a network learns: descriptors that vary, standardised and clipped, in float32."""
    values = descriptor_values(smiles, progress).numpy()
    spread = values.std(0)
    varying = spread > 0
    standard = (values[:, varying] - values[:, varying].mean(0)) / spread[varying]
    return torch.from_numpy(np.clip(standard, -TARGET_CLIP, TARGET_CLIP).astype(np.float32, order="C"))
