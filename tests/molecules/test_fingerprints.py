import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from molecules.errors import DataError
from molecules.fingerprints import morgan_counts
from tests.real_data import wehi_smiles


def test_counts_equal_those_of_the_sparse_fingerprint():
    smiles = wehi_smiles(20)
    counts = morgan_counts(smiles, bits=256)
    assert counts.shape == (20, 256)
    assert counts.dtype == np.float32
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)
    for text, row in zip(smiles, counts, strict=True):
        expected = np.zeros(256)
        for bit, count in (
            generator.GetSparseCountFingerprint(Chem.MolFromSmiles(text)).GetNonzeroElements().items()
        ):
            expected[bit % 256] += count
        np.testing.assert_array_equal(row, expected)


def test_radius_0_counts_atoms():
    # Ethanol: three heavy atoms, all different.
    assert sorted(morgan_counts(["CCO"], radius=0)[0])[-4:] == [0, 1, 1, 1]


def test_neopentane_counts_its_four_methyls():
    assert morgan_counts(["CC(C)(C)C"], radius=0).max() == 4


def test_bad_smiles_are_named():
    with pytest.raises(DataError, match="position 0"):
        morgan_counts(["C1CC"])
