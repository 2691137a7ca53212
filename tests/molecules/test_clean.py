import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molecules.clean import clean, merge
from molecules.errors import DataError

NAN = np.nan
# Ethanol in three SMILES, then benzene in two, acetic acid, and rows that are no molecule.
WRITTEN = ["CCO", "OCC", "C(O)C", "c1ccccc1", "C1=CC=CC=C1", "CC(=O)O", "C1CC", "not one", "", " "]
CANONICAL = {"CCO": "CCO", "OCC": "CCO", "C(O)C": "CCO", "c1ccccc1": "c1ccccc1", "C1=CC=CC=C1": "c1ccccc1"}
CANONICAL["CC(=O)O"] = "CC(=O)O"


def column(*values):
    return np.array(values, dtype=float)[:, None]


def test_repeats_that_agree_are_merged_at_the_place_of_the_first():
    cleaned = clean(["OCC", "CC(=O)O", "CCO"], column(1, 0, 1), classification=True)
    assert cleaned.smiles == ["CCO", "CC(=O)O"]
    assert cleaned.labels.dtype == np.float32
    np.testing.assert_array_equal(cleaned.labels, [[1], [0]])
    assert (cleaned.report.rows, cleaned.report.kept, cleaned.report.duplicates) == (3, 2, 1)
    assert cleaned.report.examples["duplicates"] == (("row 3", "CCO"),)


def test_missing_labels_are_filled_from_repeats():
    labels = np.array([[1, NAN, NAN], [NAN, 0, NAN]])
    cleaned = clean(["CCO", "OCC"], labels, classification=True)
    np.testing.assert_array_equal(cleaned.labels, [[1, 0, NAN]])
    assert cleaned.report.conflicting_labels == 0


def test_a_contradicted_class_is_missing_and_the_others_are_kept():
    cleaned = clean(["CCO", "OCC"], np.array([[1, 1], [0, 1.0]]), classification=True)
    np.testing.assert_array_equal(cleaned.labels, [[NAN, 1]])
    assert (cleaned.report.conflicting_molecules, cleaned.report.conflicting_labels) == (1, 1)
    assert cleaned.report.examples["conflicting"] == (("row 1", "CCO"),)


def test_a_record_without_label_is_dropped():
    cleaned = clean(["CCO", "OCC", "C", "CC"], column(1, 0, NAN, 1), classification=True)
    assert cleaned.smiles == ["CC"]
    assert cleaned.report.unlabelled == 2
    assert cleaned.report.duplicates == 1


def test_regression_repeats_within_half_a_standard_deviation_are_averaged():
    # Labels 0, 10, 5, 5: SD sqrt(12.5) = 3.54, so repeats may differ by 1.77.
    far = clean(["C", "CC", "CCO", "OCC"], column(0, 10, 4, 6), classification=False)
    near = clean(["C", "CC", "CCO", "OCC"], column(0, 10, 4.2, 5.8), classification=False)
    assert far.smiles == ["C", "CC"]
    assert far.report.conflicting_molecules == 1
    assert near.smiles == ["C", "CC", "CCO"]
    np.testing.assert_allclose(near.labels[2], 5.0)


def test_the_tolerance_itself_still_agrees():
    # Labels -1, -1, 1, 1: SD exactly 1, tolerance exactly 0.5.
    merged, conflicts = merge(column(1.0, 1.5), np.array([0.5]))
    assert (merged[0], conflicts) == (1.25, 0)
    merged, conflicts = merge(column(1.0, 1.5000001), np.array([0.5]))
    assert np.isnan(merged[0])
    assert conflicts == 1


def test_dropped_rows_are_counted_with_examples():
    smiles = ["", "  ", "C1CC", "CCO", *["c1cccc1"] * 5]
    report = clean(smiles, column(*[1] * 9), classification=True).report
    assert (report.rows, report.kept, report.empty, report.unparseable) == (9, 1, 2, 6)
    assert report.examples["empty"] == (("row 1", ""), ("row 2", "  "))
    assert report.examples["unparseable"] == (
        ("row 3", "C1CC"),
        ("row 5", "c1cccc1"),
        ("row 6", "c1cccc1"),
    )


def test_rows_of_several_tables_are_told_by_table():
    tables = [("first.csv", 2), ("empty.csv", 0), ("second.csv", 3)]
    smiles = ["C1CC", "CCO", "c1cccc1", "OCC", "not one"]
    report = clean(smiles, column(1, 1, 1, 1, 1), classification=True, tables=tables).report
    assert report.examples["unparseable"] == (
        ("row 1 of first.csv", "C1CC"),
        ("row 1 of second.csv", "c1cccc1"),
        ("row 3 of second.csv", "not one"),
    )
    assert report.examples["duplicates"] == (("row 2 of second.csv", "CCO"),)
    with pytest.raises(DataError, match=r"label 2 in row 2 of second\.csv, column 'y' \(1 such in all\)"):
        clean(smiles, column(1, 1, 1, 2, 1), classification=True, targets=["y"], tables=tables)


def test_a_record_knows_how_many_rows_it_is_made_of():
    smiles = ["CCO", "C1CC", "C", "OCC", "CC", "C", "C(O)C", "C"]
    test = np.array([False, True, False, False, True, True, False, True])
    cleaned = clean(smiles, column(1, 1, 0, 1, 0, 1, 1, 1), classification=True, test=test)
    assert cleaned.smiles == ["CCO", "C", "CC"]
    assert cleaned.source_rows.tolist() == [3, 2, 1]  # methane: its two rows of the test set alone
    assert cleaned.test.tolist() == [False, True, True]
    assert cleaned.report.test_rows == 4  # the one that cannot be parsed among them


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_labels_name_row_and_column(value):
    labels = np.array([[1.0, 2.0], [3.0, value]])
    with pytest.raises(DataError, match=r"row 2, column 'b'"):
        clean(["C", "CC"], labels, classification=False, targets=["a", "b"])
    with pytest.raises(DataError, match=r"row 2, column 2"):
        clean(["C", "CC"], labels, classification=False)


def test_a_class_other_than_0_and_1_is_refused():
    with pytest.raises(DataError, match=r"label 2 in row 1.*0, 1 or empty"):
        clean(["C"], column(2), classification=True)


def test_progress_sums_to_the_rows():
    steps = []

    class Listener:
        def stage(self, name, total):
            import contextlib

            assert (name, total) == ("cleaning", 600)
            return contextlib.nullcontext(steps.append)

        def note(self, message):
            raise AssertionError(message)

    clean(["C"] * 600, column(*[1] * 600), classification=True, progress=Listener())
    assert sum(steps) == 600


LABEL = st.sampled_from([0.0, 1.0, NAN])
ROWS = st.lists(st.tuples(st.sampled_from(WRITTEN), LABEL, LABEL), max_size=9)


def by_brute_force(rows):
    """The rule for classification, one molecule and label at a time."""
    expected = {}
    for molecule in {CANONICAL[text] for text, *_ in rows if text in CANONICAL}:
        labels = []
        for target in (1, 2):
            seen = {row[target] for row in rows if CANONICAL.get(row[0]) == molecule} - {NAN}
            seen = {value for value in seen if value == value}
            labels.append(seen.pop() if len(seen) == 1 else None)
        if labels != [None, None]:
            expected[molecule] = tuple(labels)
    return expected


def as_dict(cleaned):
    return {
        name: tuple(None if np.isnan(value) else float(value) for value in row)
        for name, row in zip(cleaned.smiles, cleaned.labels, strict=True)
    }


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_classification_agrees_with_brute_force(rows):
    smiles = [row[0] for row in rows]
    labels = np.array([row[1:] for row in rows], dtype=float).reshape(-1, 2)
    cleaned = clean(smiles, labels, classification=True)
    assert as_dict(cleaned) == by_brute_force(rows)
    report = cleaned.report
    assert report.rows == len(rows)
    assert report.rows == (
        report.kept + report.empty + report.unparseable + report.unlabelled + report.duplicates
    )


NUMBER = st.one_of(st.just(NAN), st.floats(-1e3, 1e3, allow_nan=False, width=32))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WRITTEN), NUMBER), max_size=6), st.randoms())
def test_regression_does_not_depend_on_order_and_invents_nothing(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = (
        clean([text for text, _ in order], np.array([[y] for _, y in order]).reshape(-1, 1), False)
        for order in (rows, shuffled)
    )
    assert as_dict(first) == as_dict(second)
    for name, (value,) in as_dict(first).items():
        given_values = [y for text, y in rows if CANONICAL.get(text) == name and y == y]
        assert np.float32(min(given_values)) <= np.float32(value) <= np.float32(max(given_values))


def test_every_order_of_three_repeats_gives_one_record():
    values = (0.1, 0.2, 0.3)  # a sum that depends on the order in floating point
    results = {
        clean(["CCO", "OCC", "C(O)C", "C", "CC"], column(*order, 9, -9), False).labels[0, 0].item()
        for order in itertools.permutations(values)
    }
    assert len(results) == 1


def test_a_conflict_that_leaves_nothing_is_said_and_every_row_counted_once():
    report = clean(["CCO", "OCC", "CCC", "N"], column(1, 0, np.nan, 1), classification=True).report
    assert (report.kept, report.unlabelled, report.duplicates) == (1, 2, 1)
    assert (report.conflicting_molecules, report.conflicting_dropped) == (1, 1)
    assert report.kept + report.unlabelled + report.duplicates == report.rows


def test_salts_are_kept_and_told_with_their_parents():
    smiles = ["CC(=O)O", "CC(=O)[O-].[Na+]", "CCN.Cl", "CCN.Br", "CCCC.O", "c1ccccc1"]
    report = clean(smiles, column(0, 1, 0, 1, 0, 1), classification=True).report
    assert report.kept == 6
    assert report.mixtures == 4
    assert report.shared_parents == 3  # acetate with the acid, the two salts of one amine; not the hydrate
    assert report.examples["mixtures"][0] == ("row 2", "CC(=O)[O-].[Na+]")


def test_outlying_labels_are_told_and_kept():
    smiles = ["C" * n for n in range(1, 42)]
    values = np.append(np.linspace(5, 7, 40), 999.0)
    cleaned = clean(smiles, values[:, None], classification=False)
    assert cleaned.report.outliers == 1
    assert cleaned.report.examples["outliers"] == (("row 41", "C" * 41),)
    assert cleaned.labels[-1] == 999
    assert clean(smiles, np.ones((41, 1)), classification=True).report.outliers == 0
    mostly_one = np.append(np.zeros(40), 5.0)  # no spread to measure with
    assert clean(smiles, mostly_one[:, None], classification=False).report.outliers == 0


def test_a_molecule_of_both_parts_is_of_the_test_set_and_keeps_its_labels():
    smiles = ["CCO", "OCC", "C(O)C", "C", "CC", "CC"]
    labels = column(0, 1, 1, 0, 1, 1)  # the first, of the training set, contradicts those of the test set
    test = np.array([False, True, True, False, True, True])
    cleaned = clean(smiles, labels, classification=True, test=test)
    assert cleaned.smiles == ["CCO", "C", "CC"]
    np.testing.assert_array_equal(cleaned.labels, [[1], [0], [1]])
    np.testing.assert_array_equal(cleaned.test, [True, False, True])
    report = cleaned.report
    assert (report.overlapping, report.overlapping_rows, report.conflicting_molecules) == (1, 1, 0)
    assert report.examples["overlapping"] == (("row 1", "CCO"),)
    assert report.rows == report.kept + report.duplicates + report.overlapping_rows
    assert "1 of the training set that stand in the test set too (such as row 1: 'CCO')" in report.summary()


def test_nobody_says_what_the_test_set_is():
    assert clean(["C"], column(1), classification=True).test is None
