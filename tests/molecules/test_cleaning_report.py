import json

from molecules.cleaning_report import CleaningReport

FULL = CleaningReport(
    rows=20,
    kept=12,
    empty=1,
    unparseable=2,
    unlabelled=1,
    duplicates=4,
    conflicting_molecules=1,
    conflicting_labels=2,
    examples={"empty": ((4, ""),), "unparseable": ((7, "C1CC"), (9, "C" * 60)), "conflicting": ((2, "CCO"),)},
    weak_labels=("rare",),
)


def test_summary_tells_every_number_in_two_lines():
    first, second = FULL.summary().split("\n")
    assert first == (
        "12 records from 20 rows; dropped: 1 without SMILES (such as row 4: ''), 2 unparseable (such as "
        "row 7: 'C1CC'), 1 without label; merged as duplicates: 4"
    )
    assert second == (
        "2 labels of 1 molecules set missing because repeats disagree (such as row 2: 'CCO'); "
        "too few records of a class: rare"
    )


def test_summary_of_a_clean_source_is_one_line():
    assert CleaningReport(rows=5, kept=5).summary() == (
        "5 records from 5 rows; dropped: none; merged as duplicates: 0"
    )


def test_a_report_survives_json():
    assert CleaningReport.from_dict(json.loads(json.dumps(FULL.as_dict()))) == FULL
