"""The data of a task before training, on hand-made files in which molecules repeat."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rdkit import Chem
from rich.console import Console

from benchmark.cell_data import cell_data, hold_apart
from benchmark.data_sheet import FILE, data_sheet
from benchmark.execute import Settings, measure, plan_cell
from benchmark.plan import Protocol
from benchmark.report import Report
from models.heads import HeadConfig
from molecules.errors import MolmisError, TooFewRecordsError
from molecules.splits import SPLITS, member_halves
from tasks.catalogue import get_task, load_records
from tasks.table_file import table_task
from tasks.task import OFFICIAL, DataOptions, Kind
from tests.listener import Listener
from tests.real_data import wehi_smiles

HEAD = HeadConfig(hidden=(6,), epochs=2)


def spellings(smiles: str, count: int) -> list[str]:
    """The same molecule in other SMILES."""
    mol = Chem.MolFromSmiles(smiles)
    return [Chem.MolToRandomSmilesVect(mol, 1, randomSeed=seed)[0] for seed in range(1, count + 1)]


@pytest.fixture
def repeated(tmp_path):
    """A task of 150 molecules, each in one to three SMILES, and rows of every defect."""
    molecules = wehi_smiles(150)
    rows = [
        (text, row % 2)
        for row, smiles in enumerate(molecules)
        for text in (smiles, *spellings(smiles, row % 3))
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    lines = [f"{rows[place][0]},{rows[place][1]}" for place in order]
    lines += ["C1CC,1", ",0", "CCCl,0", "ClCC,1"]
    path = tmp_path / "repeated.csv"
    path.write_text("\n".join(["smiles,y", *lines, ""]))
    return table_task(path, None, ["y"])


def official(task):
    """The task with every fourth row set apart, so that most repeated molecules stand in both parts."""

    def load(own, options):
        raw = task.load(own, options)
        return replace(raw, test=np.arange(len(raw.smiles)) % 4 == 0)

    return replace(task, load=load, split=OFFICIAL, files=None)


def settings(folder, **changes):
    return replace(
        Settings("ecfp", ["float32"], 4, results=folder / "results", head=HEAD, device="cpu"), **changes
    )


def canonical(smiles):
    return [Chem.CanonSmiles(text) for text in smiles]


@pytest.mark.parametrize("name", [*SPLITS, OFFICIAL])
def test_repeats_of_a_molecule_never_stand_on_both_sides(name, repeated):
    task = official(repeated) if name == OFFICIAL else repeated
    records = load_records(task, DataOptions())
    assert records.report.duplicates + records.report.overlapping_rows > 100
    pool, test = hold_apart(records, Protocol(4, name))
    smiles = np.array(canonical(records.smiles), dtype=object)
    assert len(pool) + len(test) == len(records) == 150
    assert not set(smiles[pool]) & set(smiles[test])
    for own in member_halves(len(pool), 4, 0):
        assert not set(smiles[pool][own]) & set(smiles[pool][~own])


def test_the_halves_that_are_trained_on_hold_no_repeats(repeated, tmp_path):
    cell, _ = plan_cell(official(repeated), DataOptions(), settings(tmp_path))
    data = cell_data(cell)
    smiles = np.array(canonical(data.smiles), dtype=object)
    for own in data.members:
        assert not set(smiles[own]) & set(smiles[~own])
    assert len(data.pool) + len(data.test) == 150
    assert data.test_labels.shape[0] == int(cell.records.test.sum())
    # every molecule with a row in the test set is one of its records
    raw = cell.task.load(cell.task, DataOptions())
    held = {
        Chem.CanonSmiles(text)
        for text, own in zip(raw.smiles, raw.test, strict=True)
        if own and text != "C1CC"
    }
    assert not set(smiles) & held


def test_the_sheet_tells_every_defect(repeated, tmp_path):
    task = official(repeated)
    sheet = data_sheet(task, DataOptions(), settings(tmp_path))
    told = io.StringIO()
    sheet.render(Console(file=told, width=200))
    text = told.getvalue()
    report = sheet.report.cleaning
    assert report.overlapping > 20
    raw = task.load(task, DataOptions())
    held = [Chem.MolFromSmiles(smiles) for smiles, own in zip(raw.smiles, raw.test, strict=True) if own]
    scored = sum(mol is not None and mol.GetNumAtoms() > 0 for mol in held)  # no repeats disagree
    assert len(held) == 76
    for figure, words in (
        (report.rows, "rows in the source"),
        (150, "records, one a molecule"),
        (1, "rows without SMILES"),
        (1, "rows that RDKit cannot parse, such as row 301: C1CC"),
        (report.overlapping, "molecules that its training set has too, kept in the test set only"),
        (0, "molecules on both sides"),
        (sheet.halves.test, f"records of the test set of the source, made of {scored} of its 76 rows"),
        (0, "substances by InChIKey in pool and test set (0 by connectivity"),
        (0, "records of the pool that repeat a substance by InChIKey (0 by connectivity)"),
    ):
        assert f"{figure:>9,}  {words}" in text
    assert "official split" in text
    assert "│ y     │ 150   │ 0.0%    │ 75      │ 75      │ 50.0%      │" in text
    written = json.loads(sheet.write(tmp_path).read_text())
    assert written["both"] == written["data"]["repeats_left"] == 0
    assert written["cleaning"]["overlapping"] == report.overlapping
    assert abs(written["exchangeability"]["auc"] - 0.5) < 0.2
    assert (tmp_path / FILE).is_file()
    assert not (tmp_path / "results").exists()  # nothing is trained


def test_the_result_holds_the_report(repeated, tmp_path):
    facts = measure(official(repeated), DataOptions(), settings(tmp_path, attacks=False)).facts
    assert facts["data"]["repeats_left"] == 0
    assert facts["data"]["official_test"] == facts["test"]
    assert facts["data"]["labels"][0]["positives"] == 75
    assert facts["cleaning"]["overlapping"] > 20
    assert (facts["split"], facts["test_share"]) == (OFFICIAL, 0)
    assert "exchangeability" in facts


@pytest.fixture
def tautomers(tmp_path):
    """A task with two tautomers of one azole in pool and test set, and of another one both in the pool."""
    pairs = ["Cc1c[nH]cn1", "Cc1cnc[nH]1", "CCc1c[nH]cn1", "CCc1cnc[nH]1"]
    lines = [f"{text},{int(row % 3 == 0)}" for row, text in enumerate([*pairs, *wehi_smiles(123)])]
    path = tmp_path / "tautomers.csv"
    path.write_text("\n".join(["smiles,y", *lines, ""]))
    return official(table_task(path, None, ["y"]))


def test_substances_under_two_smiles_are_told_in_report_run_and_result(tautomers, tmp_path):
    records = load_records(tautomers, DataOptions())
    own = {key[:14] for key in map(Chem.MolToInchiKey, map(Chem.MolFromSmiles, records.smiles))}
    assert len(records) - len(own) == 2  # no stereoisomers among them
    sheet = data_sheet(tautomers, DataOptions(), settings(tmp_path))
    told = io.StringIO()
    sheet.render(Console(file=told, width=200))
    assert "        1  substances by InChIKey in pool and test set (1 by" in told.getvalue()
    assert "        1  records of the pool that repeat a substance by InChIKey (1 by" in told.getvalue()
    one = {"across": 1, "within": 1}
    expected = {"inchikey": one, "connectivity": one, "unnamed": 0}
    assert json.loads(sheet.write(tmp_path).read_text())["twins"] == expected
    listener = Listener()
    result = measure(tautomers, DataOptions(), settings(tmp_path, attacks=False), listener)
    assert result.facts["twins"] == expected
    (said,) = [note for note in Report.of(result).notes() if "InChIKey" in note]
    assert said in listener.notes
    assert "1 in pool and test set; records of the pool that repeat" in said


def test_a_run_says_what_its_test_records_stand_for(repeated, tmp_path):
    listener = Listener()
    task = replace(official(repeated), files=None)
    result = measure(task, DataOptions(), settings(tmp_path, attacks=False), listener)
    (said,) = [note for note in Report.of(result).notes() if "test rows" in note]
    figures = [result.facts["data"][name] for name in ("official_test", "scored_rows", "test_rows")]
    assert "{} molecules made of {} of the source's {} test rows".format(*figures) in said
    assert said in listener.notes
    listener = Listener()
    anew = measure(task, DataOptions(), settings(tmp_path, attacks=False, split="random"), listener)
    assert not [note for note in [*Report.of(anew).notes(), *listener.notes] if "test rows" in note]


def test_the_official_test_set_is_part_of_the_key(repeated, tmp_path):
    task = official(repeated)
    cell, _ = plan_cell(task, DataOptions(), settings(tmp_path))
    moved = replace(cell, records=replace(cell.records, test=np.roll(cell.records.test, 1)))
    assert moved.bank_key != cell.bank_key
    anew, _ = plan_cell(task, DataOptions(), settings(tmp_path, split="random"))
    same = replace(anew, records=replace(anew.records, test=None))
    assert same.bank_key == anew.bank_key != cell.bank_key


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"labels": [], "molecules": "seen.smi"}, "       30  molecules that the encoder file-mine saw"),
        (
            {"labels": ["file:repeated"]},
            "        –  encoder refused: the encoder file-mine was fitted",
        ),
        ({"labels": []}, "        –  The encoder does not say which molecules it was pretrained on."),
        (None, "on which labels it was fitted: if these are among them, it leaks on its own"),
    ],
)
def test_the_sheet_tells_what_the_encoder_saw(declared, line, repeated, tmp_path):
    molecules = canonical(wehi_smiles(150))
    np.savez(tmp_path / "mine.npz", smiles=np.array(molecules), embeddings=np.ones((150, 2)))
    (tmp_path / "seen.smi").write_text("\n".join([*molecules[:30], *("C" * n + "I" for n in range(1, 90))]))
    if declared is not None:
        (tmp_path / "mine.npz.json").write_text(json.dumps(declared))
    sheet = data_sheet(repeated, DataOptions(), settings(tmp_path, encoder=str(tmp_path / "mine.npz")))
    told = io.StringIO()
    sheet.render(Console(file=told, width=200))
    assert line in told.getvalue()
    encoder = json.loads(sheet.write(tmp_path).read_text())["encoder"]
    assert (encoder["name"], encoder["of"]) == ("file-mine", 150)
    assert encoder["molecules"] == (30 if "seen.smi" in str(declared) else None)
    assert bool(encoder["refused"]) == ("refused" in line)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_share": 0.3}, "is that of its source, so --test-share has no effect"),
        ({"split": "oficial"}, r"unknown split 'oficial'; nearest: official"),
    ],
)
def test_what_does_not_fit_an_official_test_set(changes, message, repeated, tmp_path):
    with pytest.raises(MolmisError, match=message):
        plan_cell(official(repeated), DataOptions(), settings(tmp_path, **changes))


def test_an_official_test_set_that_is_not_there(tmp_path):
    with pytest.raises(MolmisError, match="--split official: the source of tox21 sets no test set apart"):
        plan_cell(get_task("tox21"), DataOptions(), settings(tmp_path, split=OFFICIAL))


@pytest.mark.parametrize(
    ("name", "part", "advice"),
    [
        ("random", "test", "another --seed, a larger --test-share"),
        ("scaffold", "test", "a larger --test-share, or --split random"),
        ("butina", "test", "a larger --test-share, or --split random"),
        ("fingerprint", "test", "a larger --test-share, or --split random"),
        (OFFICIAL, "test", "--split random, which splits all records anew"),
        ("random", "pool", "another --seed"),
        (OFFICIAL, "pool", "--split random"),
    ],
)
def test_a_fold_of_one_class_is_refused_with_advice(name, part, advice, repeated, tmp_path):
    records = load_records(official(repeated), DataOptions())
    protocol = Protocol(4, name)
    places = dict(zip(("pool", "test"), hold_apart(records, protocol), strict=True))
    labels = np.zeros_like(records.labels)
    labels[places["pool" if part == "test" else "test"][::2]] = 1
    with pytest.raises(
        TooFewRecordsError, match=f"the {name} split leaves .* {part} records of one .*{advice}"
    ):
        hold_apart(replace(records, labels=labels), protocol)


def test_a_refused_split_is_told_beside_the_rest(repeated, tmp_path, monkeypatch):
    def refuse(*_):
        raise TooFewRecordsError("one class only")

    monkeypatch.setattr("benchmark.data_sheet.hold_apart", refuse)
    sheet = data_sheet(repeated, DataOptions(), settings(tmp_path))
    told = io.StringIO()
    sheet.render(Console(file=told, width=200))
    assert "split refused: one class only" in told.getvalue()
    assert json.loads(sheet.write(tmp_path).read_text())["refused"] == "one class only"


def test_many_labels_are_cut_and_vectors_are_not_cleaned(tmp_path):
    rng = np.random.default_rng(0)
    columns = (rng.random((120, 20)) < np.linspace(0.1, 0.9, 20)).astype(int)
    lines = [",".join([text, *map(str, row)]) for text, row in zip(wehi_smiles(120), columns, strict=True)]
    names = [f"y{place}" for place in range(20)]
    path = tmp_path / "wide.csv"
    path.write_text("\n".join([",".join(["smiles", *names]), *lines, ""]))
    task = table_task(path, None, names, Kind.CLASSIFICATION)
    told = io.StringIO()
    data_sheet(task, DataOptions(), settings(tmp_path)).render(Console(file=told, width=200))
    assert (
        "15 of 20 labels, those with the fewest records of a class; --out DIR writes all" in told.getvalue()
    )
    assert "│ y0 " in told.getvalue()
    assert "│ y9 " not in told.getvalue()
    told = io.StringIO()
    vectors = get_task("gaussian-modes:n=200,m=1000,d=8")
    data_sheet(vectors, DataOptions(), replace(settings(tmp_path), encoder=None)).render(
        Console(file=told, width=200)
    )
    assert "      200  records drawn" in told.getvalue()
    assert "SMILES" not in told.getvalue()
