"""What encoders of local checkpoints share: content hashes, declarations, a library that may be absent."""

import importlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.encoders.base import Encoder, EncoderState
from models.encoders.declaration import Declared, declaration_of
from models.tensor_file import read_tensors, save_tensors
from molecules.cache import cache_dir, content_key, file_sha256
from molecules.errors import DataError, MolmisError
from molecules.progress import SILENT, Progress
from tasks.task import plain_name

#: Molecules a batch; padding reaches into rounding, so it is a part of the recipe.
BATCH = 64


class Checkpoint(Declared, Encoder):
    """An encoder of a library that is not a dependency, from files on this machine; nothing is downloaded.

    Its weights stay as they are: ``--quantize model`` is for the networks of this project.

    Parameters
    ----------
    path : Path
        The checkpoint: a folder or a file.
    """

    portable = False
    #: What the user writes before the path, the library, and what of it is imported.
    prefix: str
    library: str
    module: str

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise DataError(f"--encoder {self.prefix}:{path}: there is no such file or folder")
        self.path = path
        self.declaration = declaration_of(path)
        self.name = f"{self.prefix}-{plain_name(path.name)}"
        self._device = "cpu"
        self._model: nn.Module | None = None

    @cached_property
    def content(self) -> str:
        """Hash of all files of the checkpoint, and of their names."""
        files = [self.path] if self.path.is_file() else sorted(p for p in self.path.rglob("*") if p.is_file())
        root = self.path.parent if self.path.is_file() else self.path
        return content_key([[str(p.relative_to(root)), file_sha256(p)] for p in files])

    def recipe(self) -> dict[str, object]:
        """Return the hash of the files, and what is declared of them."""
        return {
            "encoder": self.prefix,
            "content": self.content,
            "declared": self.declaration.recipe(),
            "batch": BATCH,
            "version": 1,
        }

    def options(self) -> dict[str, str]:
        """Return the name of the checkpoint, without its place on this machine."""
        return {"outside": f"{self.prefix}:{self.path.name}"}

    @cached_property
    def parameters(self) -> int:  # type: ignore[override]
        """Numbers that the network before the embedding learned, kept once they are counted.

        Files alone do not tell: they may hold an output layer that is left out, or lack what a library adds.
        """
        key = content_key("parameters", self.prefix, self.content)
        path = cache_dir("encoders") / f"{key}.safetensors"
        known = read_tensors(path, key)
        if known is not None:
            return int(known["parameters"])
        count = sum(parameter.numel() for parameter in self._learned(self._loaded()).parameters())
        save_tensors(path, {"parameters": torch.tensor(count)}, key)
        return count

    @property
    def quantizable(self) -> bool:
        """False: the weights stay as they are."""
        return False

    def state(self) -> EncoderState:
        """Refuse: what a library loads is not put into a file of this project."""
        raise MolmisError(
            f"--with-encoder: the weights of {self.name} stay in its own files; leave it out, and publish "
            "these beside the head"
        )

    def prepare(self, device: str = "cpu", progress: Progress = SILENT) -> None:
        """Load the library and the weights."""
        del progress
        self._device = device
        self._loaded()

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the embeddings, shape (molecules, dimensions)."""
        model, out = self._loaded(), []
        with progress.stage("embedding", len(smiles)) as step:
            for start in range(0, len(smiles), BATCH):
                piece = list(smiles[start : start + BATCH])
                out.append(self._embed(model, piece))
                step(len(piece))
        return np.concatenate(out).astype(np.float32)

    def _loaded(self) -> nn.Module:
        """Return the network, loaded once, on the device.

        Raises
        ------
        MolmisError
            If the library is not installed.
        DataError
            If the checkpoint cannot be loaded.
        """
        if self._model is None:
            try:
                library = importlib.import_module(self.module)
            except ImportError as error:
                raise MolmisError(
                    f"--encoder {self.prefix}:... needs the package {self.library} ({error}); "
                    "pip install 'molmis[pretrained]'"
                ) from None
            try:
                self._model = self._read(library).eval()
            except (OSError, RuntimeError, ValueError, KeyError, TypeError, ImportError) as error:
                reason = " ".join(str(error).split())[:200]
                raise DataError(
                    f"{self.path} is no checkpoint that {self.library} can load ({reason})"
                ) from None
        return self._model.to(self._device)

    def _learned(self, model: nn.Module) -> nn.Module:
        """Return the part of the network that makes the embedding."""
        return model

    @abstractmethod
    def _read(self, library: Any) -> nn.Module:
        """Return the network, by what of the library is imported."""

    @abstractmethod
    def _embed(self, model: nn.Module, smiles: list[str]) -> NDArray[np.float32]:
        """Return the embeddings of one batch."""
