import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold
from scipy.stats import binom

from molecules import splits as module
from molecules.errors import MolmisError, TooFewRecordsError, UnknownNameError
from molecules.splits import (
    DETERMINISTIC,
    SPLITS,
    butina_split,
    fingerprint_split,
    member_halves,
    random_split,
    scaffold_split,
    split,
)
from tests.real_data import wehi_smiles


@given(st.integers(0, 300), st.floats(0, 0.95), st.integers(0, 2**32 - 1))
def test_random_split_parts_are_whole_and_apart(n, share, seed):
    pool, test = random_split(n, share, seed)
    assert sorted([*pool, *test]) == list(range(n))
    assert len(test) == round(n * share)
    assert (np.diff(pool) > 0).all()
    assert (np.diff(test) > 0).all()


def test_random_split_depends_on_its_seed_alone():
    first, again, other = (random_split(200, 0.2, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_scaffold_split_tears_no_scaffold_apart():
    smiles = wehi_smiles(300)
    pool, test = scaffold_split(smiles, 0.25)
    assert sorted([*pool, *test]) == list(range(300))
    assert 75 <= len(test) < 120
    scaffolds = [MurckoScaffold.MurckoScaffoldSmiles(smiles=text) for text in smiles]
    assert not {scaffolds[row] for row in pool} & {scaffolds[row] for row in test}


@pytest.mark.parametrize("name", SPLITS)
def test_splits_say_nothing(name, capfd):
    split(name, wehi_smiles(10), 0.2, 0)
    assert capfd.readouterr() == ("", "")


def tanimoto(smiles):
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in smiles]
    return np.array([DataStructs.BulkTanimotoSimilarity(own, prints) for own in prints])


def test_butina_split_holds_the_small_clusters_apart():
    series = [f"c1ccccc1C(=O)N{'C' * length}" for length in range(4, 24)]
    others = ["O=S(=O)(O)c1cccs1", "N#CC1CC1", "FC(F)(F)Br", "C1COCCO1", "OB(O)C=C"]
    pool, test = butina_split([*others, *series], 0.2)
    assert sorted([*pool, *test]) == list(range(25))
    assert test.tolist() == [0, 1, 2, 3, 4]


def test_fingerprint_split_makes_the_parts_unlike():
    smiles = wehi_smiles(200)
    likeness = tanimoto(smiles)
    nearest = []
    for pool, test in (fingerprint_split(smiles, 0.2), random_split(200, 0.2, 0)):
        assert len(test) == 40
        nearest.append(likeness[np.ix_(test, pool)].max(axis=1).mean())
    assert nearest[0] < nearest[1] - 0.05


@pytest.mark.parametrize("name", sorted(DETERMINISTIC))
def test_what_draws_nothing_does_not_depend_on_the_seed(name):
    one, two = (split(name, wehi_smiles(60), 0.2, seed) for seed in (0, 1))
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize("name", ["butina", "fingerprint"])
def test_a_split_by_pairs_is_bounded(name, monkeypatch):
    monkeypatch.setattr(module, f"MOST_{name.upper()}", 5)
    with pytest.raises(
        MolmisError, match=rf"the {name} split .* for 6; it takes at most 5: use the split 'sc"
    ):
        split(name, ["C"] * 6, 0.2, 0)


def test_one_cluster_for_all_leaves_no_pool():
    with pytest.raises(TooFewRecordsError, match=r"butina split leaves no pool: one cluster .* 'random'"):
        butina_split([f"CCCCCCCC{'C' * length}" for length in range(10)], 0.2)


def test_one_scaffold_for_all_leaves_no_pool():
    with pytest.raises(TooFewRecordsError, match="use the split 'random'"):
        scaffold_split([f"c1ccccc1{'C' * length}" for length in range(1, 11)], 0.2)  # alkylbenzenes


@pytest.mark.parametrize("name", SPLITS)
def test_dispatch_reaches_every_split(name):
    pool, test = split(name, wehi_smiles(40), 0.25, 3)
    assert len(pool) + len(test) == 40
    assert len(test) >= 10


def test_unknown_split_lists_the_known():
    with pytest.raises(UnknownNameError, match=r"unknown split 'scafold'; nearest: scaffold"):
        split("scafold", ["C"], 0.2, 0)


@pytest.mark.parametrize("share", [-0.1, 1.0, 20])
def test_impossible_shares(share):
    with pytest.raises(MolmisError, match="test share"):
        random_split(10, share, 0)
    with pytest.raises(MolmisError, match="test share"):
        scaffold_split(["C"], share)


@given(st.integers(0, 60), st.integers(0, 6), st.integers(0, 1000))
def test_halves_are_halves_and_more_runs_extend_fewer(n, runs, seed):
    halves = member_halves(n, runs, seed)
    assert halves.shape == (runs, n)
    assert halves.dtype == np.bool_
    assert (halves.sum(axis=1) == n // 2).all()
    np.testing.assert_array_equal(member_halves(n, runs + 3, seed)[:runs], halves)


def test_halves_are_uniform_over_records_and_differ_between_runs_and_seeds():
    halves = member_halves(100, 400, 7)
    low, high = binom.interval(1 - 1e-6, 400, 0.5)
    assert ((halves.sum(axis=0) > low) & (halves.sum(axis=0) < high)).all()
    assert len({row.tobytes() for row in halves}) == 400
    assert (member_halves(100, 1, 8) != halves[:1]).any()
