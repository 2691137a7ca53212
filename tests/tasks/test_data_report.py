import json
from dataclasses import replace

import numpy as np
import pytest

from molecules.cleaning_report import CleaningReport
from tasks.data_report import data_report, scored_text
from tasks.records import Records
from tasks.task import Kind

NAN = np.nan
CLEANING = CleaningReport(rows=5, kept=4, unparseable=1)


def records(labels, kind, smiles=("C", "CC", "CCC", "CCCC"), test=None):
    columns = np.array(labels, dtype=np.float32)
    names = tuple(f"y{place}" for place in range(columns.shape[1]))
    return Records("toy", kind, names, list(smiles), columns, CLEANING, "nowhere", "0", test=test)


def test_balance_and_missing_labels_of_classes():
    report = data_report(records([[1, NAN], [0, 0], [0, 0], [NAN, 0]], Kind.CLASSIFICATION))
    first, second = report.labels
    assert (first.name, first.known, first.positives) == ("y0", 3, 1)
    assert first.missing_share == 0.25
    assert first.mean == pytest.approx(1 / 3)
    assert (second.known, second.positives, second.mean) == (3, 0, 0)
    assert report.missing_share == 0.25
    assert report.official_test is None
    assert report.repeats_left == 0


def test_range_of_numbers():
    report = data_report(records([[1.0, NAN], [2, NAN], [3, NAN], [6, NAN]], Kind.REGRESSION))
    first, second = report.labels
    assert (first.mean, first.low, first.high, first.positives) == (3, 1, 6, None)
    assert first.sd == pytest.approx(np.std([1, 2, 3, 6]))
    assert second.known == 0
    plain = report.as_dict()["labels"]
    assert plain[1]["mean"] is None  # JSON has no NaN
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_the_test_set_of_the_source_and_repeats_are_counted():
    test = np.array([True, False, False, True])
    found = data_report(records([[1], [0], [0], [1]], Kind.CLASSIFICATION, ["C", "CC", "C", "N"], test))
    assert (found.official_test, found.repeats_left) == (2, 1)


def test_the_rows_that_test_records_are_made_of_are_told():
    test = np.array([True, False, False, True])
    made = replace(
        records([[1], [0], [0], [1]], Kind.CLASSIFICATION, test=test),
        source_rows=np.array([3, 5, 1, 1], dtype=np.int32),
        report=replace(CLEANING, test_rows=7),
    )
    found = data_report(made)
    assert (found.official_test, found.scored_rows, found.test_rows) == (2, 4, 7)
    told = json.loads(json.dumps(found.as_dict()))
    assert "2 molecules made of 4 of the source's 7 test rows" in scored_text(told)


def test_nothing_is_said_where_every_row_is_scored_or_nobody_set_rows_apart():
    test, ones = np.array([True, False, False, True]), np.ones(4, dtype=np.int32)
    whole = replace(
        records([[1], [0], [0], [1]], Kind.CLASSIFICATION, test=test),
        source_rows=ones,
        report=replace(CLEANING, test_rows=2),
    )
    none = replace(whole, test=None)
    assert data_report(none).test_rows is None
    assert [scored_text(data_report(made).as_dict()) for made in (whole, none)] == ["", ""]
    assert scored_text(None) == scored_text({}) == ""  # a result of before
