"""The reference of computed descriptors: standardised over public molecules, whatever the task."""

import numpy as np
import pytest
import torch

from models.encoders import rdkit2d
from models.encoders.base import EncoderState
from models.encoders.pretraining_molecules import pretraining_smiles
from models.encoders.rdkit2d import Rdkit2d
from molecules.descriptors import NAMES, descriptors
from molecules.errors import MolmisError

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "CCO"]


def test_descriptors_are_standardised_over_public_molecules(own_cache):
    found = Rdkit2d(100).encode(SMILES)
    public = descriptors(pretraining_smiles(100)).values
    spread = public.std(0)
    spread[spread == 0] = 1
    expected = ((descriptors(SMILES).values - public.mean(0)) / spread).clip(-6, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.shape == (4, len(NAMES))
    np.testing.assert_array_equal(Rdkit2d(100).encode(SMILES[:1]), found[:1])  # the others play no part


def test_scale_is_computed_once_and_travels(own_cache, monkeypatch):
    encoder = Rdkit2d(100)
    found, state = encoder.encode(SMILES), encoder.state()
    monkeypatch.setattr(rdkit2d, "descriptor_values", None)
    elsewhere = Rdkit2d(100)
    elsewhere.restore(state)
    np.testing.assert_array_equal(elsewhere.encode(SMILES), found)
    for wrong in (EncoderState(), EncoderState({"centre": torch.zeros(3), "spread": torch.ones(3)})):
        with pytest.raises(ValueError, match="not the scale"):
            Rdkit2d().restore(wrong)


def test_there_is_nothing_to_quantize_and_the_recipe_holds_the_molecules():
    encoder = Rdkit2d()
    assert not encoder.quantizable
    with pytest.raises(MolmisError, match="no weights to quantize"):
        encoder.quantized(None)  # type: ignore[arg-type]
    assert Rdkit2d(100).key != encoder.key
    assert len(encoder.seen()) > 14_500
