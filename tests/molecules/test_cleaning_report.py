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
    conflicting_dropped=1,
    mixtures=3,
    shared_parents=2,
    outliers=1,
    examples={
        "empty": (("row 4", ""),),
        "unparseable": (("row 7", "C1CC"), ("row 9", "C" * 60)),
        "conflicting": (("row 2", "CCO"),),
        "mixtures": (("row 3", "C.Cl"),),
        "outliers": (("row 5 of b.csv", "N"),),
    },
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
        "1 of them lost all labels; 3 salts or mixtures kept as they are (such as row 3: 'C.Cl'), 2 of them "
        "with the parent of another record; 1 records with a label further than 10 robust standard "
        "deviations from the median, kept (such as row 5 of b.csv: 'N'): another unit, or a mistake?; "
        "too few records of a class: rare"
    )


def test_summary_of_a_clean_source_is_one_line():
    assert CleaningReport(rows=5, kept=5).summary() == (
        "5 records from 5 rows; dropped: none; merged as duplicates: 0"
    )


def test_a_report_survives_json():
    assert CleaningReport.from_dict(json.loads(json.dumps(FULL.as_dict()))) == FULL
