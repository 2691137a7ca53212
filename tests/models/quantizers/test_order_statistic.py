"""Counts and order statistics against sorting."""

import numpy as np
import pytest
import torch

from models.quantizers.order_statistic import (
    FEWEST,
    ascending,
    counts,
    exceeds,
    order_statistic,
    stable_order,
)


def rows(kind: str, length: int) -> np.ndarray:
    rng = np.random.default_rng(length)
    if kind == "normal":
        return rng.normal(size=(7, length))
    if kind == "columns of different size":  # what a sample of some columns would mislead about
        return (rng.exponential(size=(7, length // 16 + 1, 16)) * np.logspace(-3, 3, 16)).reshape(7, -1)
    if kind == "ties":
        return rng.integers(3, size=(7, length)).astype(float)
    if kind == "sorted":
        return np.sort(rng.normal(size=(7, length)))
    misleading = rng.normal(size=(7, length))  # what is sampled is none of the rest
    misleading[:, ::17] += 1000
    return misleading


KINDS = ("normal", "columns of different size", "ties", "sorted", "misleading")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 64, FEWEST, 8192, 12_345])
def test_the_number_at_a_place_is_that_of_a_sorted_row(kind, length):
    values = torch.from_numpy(rows(kind, length).astype(np.float32))
    ordered = values.sort(-1).values
    last = values.shape[1] - 1
    for share in (0.0, 1e-3, 0.33, 0.5, 0.9, 1.0):
        index = int(share * last)
        before = values.clone()
        found = order_statistic(values, index)
        assert torch.equal(found, ordered[:, index, None]), share
        assert torch.equal(values, before)


def test_leading_axes_and_slices_that_do_not_lie_together():
    values = torch.randn(3, 4, 5000)
    ordered = values.sort(-1).values
    assert torch.equal(order_statistic(values, 99), ordered[..., 99, None])
    part = torch.randn(6, 9000)[::2, ::2]
    assert torch.equal(order_statistic(part, 1000), part.sort(-1).values[:, 1000, None])


@pytest.mark.parametrize("length", [1, 8, 64, 100, 4099])
def test_counts_are_sums(length):
    mask = np.random.default_rng(0).random((5, length)) < 0.3
    np.testing.assert_array_equal(counts(mask), mask.sum(1))


def test_comparisons_are_those_of_torch():
    left, right = torch.tensor([[-1.0, 0.0], [-0.0, 2.0]]), torch.tensor([[0.0], [1.0]])
    assert torch.equal(exceeds(left, right), (left > right).to(torch.uint8))
    assert exceeds(left, right).dtype == torch.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_orders_are_those_of_torch(kind):
    values = torch.from_numpy(rows(kind, 700).astype(np.float32)) - 1
    values[0, :9] = torch.tensor([0.0, -0.0, 0.0, -1e-45, 1e-45, -0.0, 3e38, -3e38, 0.0])
    before = values.clone()
    assert torch.equal(ascending(values), values.sort(-1).values)
    assert torch.equal(stable_order(values), values.argsort(stable=True, dim=-1))
    assert torch.equal(values.view(torch.int32), before.view(torch.int32))
