import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit.Chem.Scaffolds import MurckoScaffold
from scipy.stats import binom

from molecules.errors import MolmisError, TooFewRecordsError, UnknownNameError
from molecules.splits import SPLITS, member_halves, random_split, scaffold_split, split
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


def test_scaffold_split_says_nothing(capfd):
    scaffold_split(wehi_smiles(10), 0.2)
    assert capfd.readouterr() == ("", "")


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
