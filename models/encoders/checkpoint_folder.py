"""What encoders of local checkpoints share: content hashes, declarations, a library that may be absent."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoders.base import Encoder, EncoderState
from models.encoders.declaration import Declared, declaration_of
from molecules.cache import content_key, file_sha256
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

    #: What the user writes before the path, and the library.
    prefix: str
    library: str

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise DataError(f"--encoder {self.prefix}:{path}: there is no such file or folder")
        self.path = path
        self.declaration = declaration_of(path)
        self.name = f"{self.prefix}-{plain_name(path.name)}"
        self._device = "cpu"

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
        self._load()

    def encode(self, smiles: Sequence[str], progress: Progress = SILENT) -> NDArray[np.float32]:
        """Return the embeddings, shape (molecules, dimensions)."""
        self._load()
        out = []
        with progress.stage("embedding", len(smiles)) as step:
            for start in range(0, len(smiles), BATCH):
                piece = list(smiles[start : start + BATCH])
                out.append(self._embed(piece))
                step(len(piece))
        return np.concatenate(out).astype(np.float32)

    def missing(self, error: Exception) -> MolmisError:
        """Return what is said where the library is not installed."""
        return MolmisError(
            f"--encoder {self.prefix}:... needs the package {self.library} ({error}); "
            "pip install 'molmis[pretrained]'"
        )

    def unusable(self, error: Exception) -> DataError:
        """Return what is said where the checkpoint cannot be loaded."""
        reason = " ".join(str(error).split())[:200]
        return DataError(f"{self.path} is no checkpoint that {self.library} can load ({reason})")

    @abstractmethod
    def _load(self) -> None:
        """Load library and weights, once."""

    @abstractmethod
    def _embed(self, smiles: list[str]) -> NDArray[np.float32]:
        """Return the embeddings of one batch."""
