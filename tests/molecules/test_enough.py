import numpy as np
import pytest

from molecules.enough import check_enough
from molecules.errors import TooFewRecordsError


def classes(ones, zeros, missing=0):
    return np.array([1.0] * ones + [0.0] * zeros + [np.nan] * missing, dtype=np.float32)[:, None]


def test_too_few_records():
    with pytest.raises(TooFewRecordsError, match=r"mine: 99 records .* at least 100"):
        check_enough(classes(50, 49), True, ["y"], "mine")
    assert check_enough(classes(50, 50), True, ["y"], "mine") == ()


def test_the_minimum_can_be_lowered():
    assert check_enough(classes(10, 10), True, ["y"], minimum=20) == ()


@pytest.mark.parametrize(("ones", "zeros"), [(9, 200), (200, 9), (200, 0)])
def test_a_single_label_needs_ten_of_each_class(ones, zeros):
    with pytest.raises(TooFewRecordsError, match=rf"'y' has {ones} of class 1 and {zeros} of class 0"):
        check_enough(classes(ones, zeros), True, ["y"])


def test_weak_labels_among_several_are_named_and_not_refused():
    labels = np.hstack([classes(60, 60), classes(3, 117), classes(120, 0)])
    assert check_enough(labels, True, ["good", "rare", "single"]) == ("rare", "single")


def test_several_labels_none_with_both_classes():
    labels = np.hstack([classes(120, 0), classes(0, 120)])
    with pytest.raises(TooFewRecordsError, match="none of the 2 labels has both classes"):
        check_enough(labels, True, ["a", "b"])


def test_constant_and_absent_regression_labels():
    varying = np.arange(100, dtype=np.float32)[:, None]
    assert check_enough(varying, False, ["y"]) == ()
    constant = np.full((100, 1), 2.5, dtype=np.float32)
    with pytest.raises(TooFewRecordsError, match=r"'z' is 2.5 in every record"):
        check_enough(np.hstack([varying, constant]), False, ["y", "z"])
    with pytest.raises(TooFewRecordsError, match=r"'z' is missing in every record"):
        check_enough(np.hstack([varying, constant * np.nan]), False, ["y", "z"])
