"""A language model of SMILES from a local folder of Hugging Face's ``transformers``."""

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
    library = module = "transformers"
    description = "a local Hugging Face checkpoint: mean of the last hidden states"
    _tokenizer: Any

    def _read(self, library: Any) -> torch.nn.Module:
        self._tokenizer = library.AutoTokenizer.from_pretrained(str(self.path), local_files_only=True)
        model: torch.nn.Module = library.AutoModel.from_pretrained(str(self.path), local_files_only=True)
        return model

    def _embed(self, model: torch.nn.Module, smiles: list[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(smiles, padding=True, truncation=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            hidden = model(**tokens).last_hidden_state
        told = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        mean: NDArray[np.float32] = ((hidden * told).sum(1) / told.sum(1).clamp(min=1)).float().cpu().numpy()
        return mean
