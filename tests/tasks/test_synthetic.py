"""What is drawn has the stated distribution; what cannot be drawn is refused in one line."""

import numpy as np
import pytest

from molecules.errors import MolmisError, UnknownNameError
from tasks.catalogue import get_task, load_records
from tasks.synthetic import DRAW_BLOCK, TEST_RECORDS, GaussianModes, GaussianModesRegression, World
from tasks.task import DataOptions, Inputs, Kind

SMALL = "gaussian-modes:m=300,d=8"


def nearest(inputs, centres):
    """The mode whose centre is nearest to each record."""
    return ((inputs[:, None] - centres) ** 2).sum(-1).argmin(1)


def test_records_lie_around_their_modes_and_labels_are_flipped():
    world = World(GaussianModes(modes=4, spread=0.05, noise=0.2, d=16))
    drawn = world.draw(DRAW_BLOCK + 500, "pool")  # more than one block
    assert drawn.inputs.dtype == drawn.labels.dtype == np.float32
    mode = nearest(drawn.inputs, world.centres)
    np.testing.assert_allclose(np.bincount(mode) / len(mode), 0.25, atol=0.02)
    assert (drawn.inputs - world.centres[mode]).std() == pytest.approx(0.05, rel=0.01)
    assert sorted(world.classes) == [0, 0, 1, 1]
    flipped = drawn.labels[:, 0] != world.classes[mode]
    assert flipped.mean() == pytest.approx(0.2, abs=0.02)
    assert flipped[mode == 0].mean() == pytest.approx(0.2, abs=0.04)  # whatever the mode


def test_regression_labels_are_value_plus_slope_plus_noise():
    world = World(GaussianModesRegression(modes=4, spread=0.05, noise=0.3, d=16))
    drawn = world.draw(8000, "pool")
    mode = nearest(drawn.inputs, world.centres)
    rest = drawn.labels[:, 0] - world.values[mode] - drawn.inputs @ world.slope
    assert rest.mean() == pytest.approx(0, abs=0.02)
    assert rest.std() == pytest.approx(0.3, rel=0.03)
    many = World(GaussianModesRegression(d=4096))
    assert np.linalg.norm(many.slope) == pytest.approx(0.5, rel=0.05)  # so the term has spread / 2


def test_pool_fresh_and_test_records_are_of_one_world_and_differ():
    records = load_records(get_task(SMALL), DataOptions())
    vectors = records.vectors
    assert records.smiles == []
    assert len(records) == 512
    assert vectors.inputs.shape == (512, 8)
    assert vectors.fresh.inputs.shape == (300, 8)
    assert vectors.test.inputs.shape == (TEST_RECORDS, 8)
    rows = np.concatenate([vectors.inputs, vectors.fresh.inputs, vectors.test.inputs])
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert records.report.kept == 512
    assert (
        records.summary()
        == "512 records drawn; 300 fresh ones for the plain indicator, 10,000 for performance"
    )


def test_the_seed_decides_everything_and_nothing_else_does():
    def load(name):
        return load_records(get_task(name), DataOptions())

    one, again, other = load(SMALL), load(SMALL), load(f"{SMALL},seed=1")
    np.testing.assert_array_equal(one.vectors.inputs, again.vectors.inputs)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert one.sha256 == again.sha256 != other.sha256
    more = load("gaussian-modes:m=600,d=8")  # more fresh records leave the pool as it is
    np.testing.assert_array_equal(one.vectors.inputs, more.vectors.inputs)


def test_parameters_make_the_task():
    task = get_task("gaussian-modes:noise=0.2, modes=16,width=32")
    assert task.name == "gaussian-modes:noise=0.2,width=32"  # defaults left out, in declared order
    assert task.slug == "gaussian-modes-noise-0.2-width-32"
    assert task.hidden == (32, 32)
    assert task.inputs is Inputs.VECTORS
    assert get_task("gaussian-modes:width=64").name == "gaussian-modes"
    assert get_task("gaussian-modes-regression:noise=2").kind is Kind.REGRESSION


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gaussian-modes:mode=3", "unknown parameter of gaussian-modes 'mode'; nearest: modes"),
        ("gaussian-modes:", "unknown parameter of gaussian-modes ''"),
        ("gaussian-mode:modes=3", "unknown task 'gaussian-mode'; nearest: gaussian-modes"),
        ("gaussian-modes:modes=1", r"modes='1' is not allowed; give a whole number from 2 to 10,000"),
        ("gaussian-modes:modes=2.5", "a whole number from 2"),
        ("gaussian-modes:n", "n='' is not allowed"),
        ("gaussian-modes:noise=0.6", "noise='0.6' is not allowed; give a number from 0 to 0.5"),
        ("gaussian-modes:spread=nan", "spread='nan' is not allowed; give a number from 0.001"),
        ("gaussian-modes:n=200,n=300", "n is given twice"),
        ("gaussian-modes:m=1000000,d=4096", "more than 1 GiB; give a smaller d, or n . m of at most 55,536"),
        ("tox21:modes=2", "task tox21 takes no parameters .* gaussian-modes, gaussian-modes-regression"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name, message):
    with pytest.raises(MolmisError, match=message) as caught:
        get_task(name)
    assert "\n" not in str(caught.value)


def test_unknown_parameters_list_all_of_them():
    with pytest.raises(UnknownNameError, match="modes, spread, noise, n, m, d, width, seed"):
        get_task("gaussian-modes:x=1")
