"""A language model of SMILES from a local folder of Hugging Face's ``transformers``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.encoders.checkpoint_folder import Checkpoint


class HuggingFace(Checkpoint):
    """The mean of the last hidden states over the tokens of a SMILES.

    Parameters
    ----------
    path : Path
        Folder of tokenizer, configuration and weights.
    """

    prefix = "hf"
    library = "transformers"
    description = "a local Hugging Face checkpoint: mean of the last hidden states"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tokenizer: Any = None
        self._model: Any = None

    @property
    def parameters(self) -> int:
        """Numbers that the model learned."""
        self._load()
        return sum(parameter.numel() for parameter in self._model.parameters())

    def _load(self) -> None:
        if self._model is not None:
            return
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise self.missing(error) from None
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(self.path), local_files_only=True)
            model = AutoModel.from_pretrained(str(self.path), local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise self.unusable(error) from None
        self._model = model.to(self._device).eval()

    def _embed(self, smiles: list[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(smiles, padding=True, truncation=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state
        told = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean: NDArray[np.float32] = ((hidden * told).sum(1) / told.sum(1).clamp(min=1)).float().cpu().numpy()
        return mean
