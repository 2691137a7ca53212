"""Ranking over cells, worked out by hand and against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.ranking import (
    beats,
    block,
    cell_weights,
    guest,
    mean_over_cells,
    means,
    pareto_layers,
    resampled_weights,
    win_shares,
    wins,
)

#: Three cells (two tasks: the first two cells are of one), three quantizers, one tie in the second cell.
VALUES = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 2.0], [3.0, 2.0, 1.0]])
TASKS = np.array([0, 0, 1])

boards = st.tuples(st.integers(1, 7), st.integers(2, 5), st.integers(0, 10**6))


def drawn(shape, missing: bool = True):
    """A small board of few different values, so that ties occur, and some of it missing."""
    cells, quantizers, seed = shape
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (cells, quantizers)).astype(float)
    if missing:
        values[rng.random(values.shape) < 0.3] = np.nan
    return values, rng.integers(0, 3, cells)


def test_weights_count_every_task_alike():
    assert cell_weights(TASKS).tolist() == [0.25, 0.25, 0.5]
    assert cell_weights(np.array([7, 3, 7, 7])).tolist() == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])


def test_shares_by_hand():
    assert win_shares(VALUES).tolist() == [[0, 0.5, 1], [0, 0.75, 0.75], [1, 0.5, 0]]
    assert mean_over_cells(win_shares(VALUES), TASKS).tolist() == [0.5, 0.5625, 0.4375]
    assert np.isnan(win_shares(VALUES[:, :1])).all()


@given(boards)
def test_shares_are_those_of_counting(shape):
    values, _ = drawn(shape, missing=False)
    for row, shares in zip(values, win_shares(values), strict=True):
        for place, share in enumerate(shares):
            others = np.delete(row, place)
            won = (others < row[place]).sum() + 0.5 * (others == row[place]).sum()
            assert share == pytest.approx(won / len(others))


def test_missing_figures_are_left_out_and_the_others_weighted_anew():
    values = np.array([[1.0], [np.nan], [3.0]])
    assert mean_over_cells(values, TASKS).tolist() == pytest.approx([(0.25 * 1 + 0.5 * 3) / 0.75])
    assert np.isnan(mean_over_cells(np.full((3, 1), np.nan), TASKS)).all()


def test_win_matrix_by_hand():
    found = wins(VALUES, TASKS)
    # the first against the second: loses both cells of the first task, wins the cell of the second
    assert found.rate[0, 1] == pytest.approx((0 + 1) / 2)
    # the second against the third: loses one and ties one of the first task, wins that of the second
    assert found.rate[1, 2] == pytest.approx((0.25 + 1) / 2)
    assert found.cells.tolist() == [[3] * 3] * 3
    assert np.isnan(np.diag(found.rate)).all()


@given(boards)
def test_win_matrix_is_that_of_counting(shape):
    values, tasks = drawn(shape)
    found = wins(values, tasks)
    for one, two in itertools.permutations(range(values.shape[1]), 2):
        of_task: dict[int, list[float]] = {}
        for cell in range(len(values)):
            a, b = values[cell, one], values[cell, two]
            if not np.isnan(a) and not np.isnan(b):
                of_task.setdefault(int(tasks[cell]), []).append(1.0 if a > b else 0.5 if a == b else 0.0)
        assert found.cells[one, two] == sum(map(len, of_task.values()))
        if of_task:
            expected = np.mean([np.mean(part) for part in of_task.values()])
            assert found.rate[one, two] == pytest.approx(expected)
            assert found.rate[one, two] + found.rate[two, one] == pytest.approx(1.0)
        else:
            assert np.isnan(found.rate[one, two])


def test_block_by_hand():
    present = np.array(
        [
            [1, 1, 1, 0],
            [1, 1, 1, 0],
            [1, 1, 0, 0],
            [1, 0, 0, 1],
        ],
        dtype=bool,
    )
    cells, quantizers = block(present)  # 1 x 4 = 4, 2 x 3 = 6, 3 x 2 = 6 figures: of equals, the most cells
    assert cells.tolist() == [True, True, True, False]
    assert quantizers.tolist() == [True, True, False, False]
    cells, quantizers = block(present[:2])
    assert cells.all()
    assert quantizers.tolist() == [True, True, True, False]
    cells, quantizers = block(np.zeros((2, 3), dtype=bool))
    assert not cells.any()
    assert not quantizers.any()


@given(boards)
def test_nothing_is_missing_in_a_block_and_nobody_complete_is_left_out(shape):
    values, _ = drawn(shape)
    present = ~np.isnan(values)
    cells, quantizers = block(present)
    assert present[np.ix_(cells, quantizers)].all()
    if cells.any():
        assert (present[cells].all(0) == quantizers).all()
        assert cells.sum() * quantizers.sum() >= present.sum(0).max()


def depth(point: tuple[int, int], points: list[tuple[int, int]]) -> int:
    """The length of the longest chain of points, each better than the next, that ends at this one."""
    better = [q for q in points if q != point and q[0] >= point[0] and q[1] >= point[1]]
    return 1 + max((depth(q, points) for q in better), default=0)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=7))
def test_layers_are_the_longest_chains(points):
    privacy, performance = (np.array(part, dtype=float) for part in zip(*points, strict=True))
    assert pareto_layers(privacy, performance).tolist() == [depth(point, points) for point in points]


def test_resampled_weights_draw_tasks_and_cells_within_them():
    tasks = np.array([5, 2, 5, 5, 9])
    weights = np.concatenate(list(resampled_weights(tasks, 3000)))
    assert weights.shape == (3000, 5)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    np.testing.assert_allclose(weights.mean(0), cell_weights(tasks), atol=0.01)
    of_task = weights[:, tasks == 5].sum(1)  # 0, 1, 2 or 3 of three draws are this task
    shares = [np.isclose(of_task, k / 3).mean() for k in range(4)]
    np.testing.assert_allclose(shares, [8 / 27, 12 / 27, 6 / 27, 1 / 27], atol=0.03)
    # in a third of a task drawn once, each of its cells is drawn 0 to 3 times
    once = weights[np.isclose(of_task, 1 / 3)][:, 0] * 9
    drawn_times = [np.isclose(once, k).mean() for k in range(4)]
    np.testing.assert_allclose(drawn_times, [8 / 27, 12 / 27, 6 / 27, 1 / 27], atol=0.03)
    again = np.concatenate(list(resampled_weights(tasks, 3000)))
    assert (again == weights).all()


def test_means_have_intervals_and_ranks_with_theirs():
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(0, 1, 60), rng.normal(0.1, 1, 60), rng.normal(5, 1, 60)])
    found = means(values, np.arange(60))
    np.testing.assert_allclose(found.mean, values.mean(0))
    error = values.std(0) / np.sqrt(60)  # of a task each, the bootstrap is the usual one
    np.testing.assert_allclose(found.high - found.low, 2 * 1.96 * error, rtol=0.1)
    assert (found.rank_low[2], found.rank_high[2]) == (1, 1)
    assert (found.rank_low[0], found.rank_high[0]) == (2, 3)


def test_one_cell_has_no_interval():
    found = means(np.array([[1.0, 2.0]]), np.array([0]))
    assert found.mean.tolist() == [1.0, 2.0]
    assert np.isnan([found.low, found.high, found.rank_low, found.rank_high]).all()


def test_a_guest_stands_where_it_would_if_only_its_cells_counted():
    rng = np.random.default_rng(1)
    privacy, performance = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    tasks = np.array([0, 0, 1, 1, 2, 2])
    own = (privacy[:, 0], privacy[:, 1:]), (performance[:, 0], performance[:, 1:])
    shares = mean_over_cells(win_shares(privacy), tasks)
    relative = mean_over_cells(performance, tasks)
    found = guest(*own, tasks, np.array([1, 2, 1]))
    assert found.privacy == pytest.approx(shares[0])  # of the three others, as it beats them
    assert found.privacy_rank == 1 + (shares[1:] > shares[0]).sum()
    assert found.performance_rank == 1 + (relative[1:] > relative[0]).sum()
    assert found.mean_rank == pytest.approx(1 + 3 * (1 - shares[0]))


def test_a_guest_is_one_layer_below_those_that_are_better_in_both():
    block_privacy = np.array([[3.0, 2.0]])
    block_performance = np.array([[0.9, 0.8]])
    layers = np.array([1, 2])
    for privacy, performance, layer in ((1.0, 0.7, 3), (2.5, 0.85, 2), (4.0, 0.1, 1), (2.0, 0.95, 1)):
        pairs = [
            (np.array([own]), others)
            for own, others in ((privacy, block_privacy), (performance, block_performance))
        ]
        assert guest(pairs[0], pairs[1], np.array([0]), layers).layer == layer


def test_ties_are_one_half():
    assert beats(np.array([1.0]), np.array([[0.0, 1.0, 2.0]])).tolist() == [[1.0, 0.5, 0.0]]
    assert beats(np.array([np.inf]), np.array([[np.inf, -np.inf]])).tolist() == [[0.5, 1.0]]
