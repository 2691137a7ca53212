"""``python -m models.quantizers``: a measured head becomes a file, a file becomes predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.blocks import BlockStore
from benchmark.execute import Settings, measure, plan_cell
from benchmark.export_head import Chosen, export_head
from benchmark.plan import Cell
from benchmark.tables import summarise
from models.artefact import unpack, write_artefact
from models.encoders.ecfp import Ecfp
from models.quantizers import QUANTIZERS
from molecules.errors import MolmisError
from tasks.catalogue import get_task
from tasks.task import DataOptions
from tests.listener import Listener
from tests.test_command_line import JOB, run, told

MODULE = "models.quantizers"
OWN = """
import numpy as np
BITS = 1
def quantize(matrix):
    return np.where(matrix >= 0, 1, -1) * np.abs(matrix).mean(dtype=np.float64)
"""
RUNS = 3


def settings(folder: Path, *names: str) -> Settings:
    return Settings(encoder="ecfp", quantizers=names, runs=RUNS, results=folder / "results", attacks=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("measured")
    (folder / "mine.py").write_text(OWN)
    return folder


@pytest.fixture
def measured(folder, monkeypatch) -> Path:
    """A folder whose cache is that of all tests here, with a measured cell."""
    monkeypatch.setenv("MOLMIS_CACHE", str(folder / "cache"))
    return folder


QUANTIZED = ("uniform-3", "ternary-75", "sign-unscaled", "float32")


def test_the_size_column_is_the_mean_size_of_the_files(measured):
    task, names = get_task("chembl2321810"), (*QUANTIZED, str(measured / "mine.py"))
    result = measure(task, DataOptions(), settings(measured, *names))
    table = summarise(result).set_index("quantizer")
    cell, _ = plan_cell(task, DataOptions(), settings(measured, "float32"))
    (block,) = BlockStore(cell, Listener()).blocks
    bank = BlockStore(cell, Listener()).bank(block)
    assert bank is not None
    for name in (*QUANTIZED, "mine"):
        sizes = []
        for place in range(RUNS):
            asked = str(measured / "mine.py") if name == "mine" else name
            listener = Listener()
            head = export_head(task, DataOptions(), settings(measured, asked), Chosen(place, RUNS), listener)
            assert not any("training" in note for note in listener.notes)
            write_artefact(measured / "m", head)
            sizes.append((measured / "m").stat().st_size)
            for layer, weight in zip(
                unpack(measured / "m").heads().weights, bank.snapshots.weights, strict=True
            ):
                alone = weight[place, -1]
                if name != "mine":
                    alone = QUANTIZERS[name].quantize(alone).dequantize()
                    torch.testing.assert_close(layer[0], alone, rtol=1e-6, atol=0)
        rows = result.rows.loc[result.rows["quantizer"] == name]
        assert rows.sort_values("run")["packed_bytes"].tolist() == sizes
        assert table.loc[name, "packed_bytes"] == round(np.mean(sizes))


def test_trained_on_all_records(measured):
    task, listener = get_task("chembl2321810"), Listener()
    made = [
        export_head(task, DataOptions(), settings(measured, "uniform-8"), Chosen(None), listener)
        for _ in range(2)
    ]
    assert made[0].run == "all"
    weights = [head.heads().weights for head in made]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    cell: Cell = plan_cell(task, DataOptions(), settings(measured, "float32"))[0]
    labels = cell.records.labels
    np.testing.assert_allclose(made[0].centre.numpy(), labels.mean(0), rtol=1e-5)  # of every record
    outputs = made[0].outputs(torch.from_numpy(Ecfp().encode(cell.records.smiles))).numpy()
    assert np.sqrt(((outputs - labels) ** 2).mean()) < 0.6 * labels.std()


@pytest.mark.parametrize(
    ("names", "chosen", "said"),
    [
        (("paper",), Chosen(), "names 11 quantizers"),
        (("sign",), Chosen(5, 4), "those from 0 to 3"),
        (("sgn",), Chosen(), "'sgn'"),
    ],
)
def test_heads_that_are_not_there(measured, names, chosen, said):
    with pytest.raises(MolmisError, match=said):
        export_head(get_task("chembl2321810"), DataOptions(), settings(measured, *names), chosen)


def test_from_a_task_to_predictions(measured):
    cache, file = measured / "cache", measured / "model.safetensors"
    done = run(
        cache, "export", *JOB, "--runs", RUNS, "--quantizer", "ternary-50", "--out", file, module=MODULE
    )
    assert done.code == 0, done.err
    assert f"{file.stat().st_size:,} bytes" in done.err
    shown = run(cache, "inspect", file, module=MODULE)
    assert shown.code == 0, shown.err
    words = (
        "chembl2321810",
        "ecfp",
        "pIC50",
        "Ternary(sparsity=0.5",
        "64 × 1024",
        f"{file.stat().st_size:,}",
    )
    assert all(word in shown.out for word in words)
    table = measured / "molecules.csv"
    table.write_text("name,structure\none,CCO\ntwo,C1CC\nthree,c1ccccc1\n")
    out = measured / "predictions.csv"
    done = run(cache, "predict", file, table, "--smiles", "structure", "--out", out, module=MODULE)
    assert done.code == 0, done.err
    assert "row 2" in done.err
    found = pd.read_csv(out)
    assert list(found.columns) == ["name", "structure", "predicted_pIC50"]
    assert found["predicted_pIC50"].isna().tolist() == [False, True, False]
    assert found["predicted_pIC50"].dropna().between(3, 10).all()
    printed = run(cache, "predict", file, table, "--smiles", "structure", module=MODULE)
    assert printed.out == out.read_text()
    data = bytearray(file.read_bytes())
    data[-5] ^= 4
    (measured / "damaged").write_bytes(data)
    assert "damaged" in told(run(cache, "predict", measured / "damaged", table, module=MODULE))


def test_check_tells_every_check_and_its_reason(measured):
    good = run(measured, "check", measured / "mine.py", module=MODULE)
    assert good.code == 0, good.err
    assert all(word in good.out for word in ("idempotent", "relative error", "0.60", "may be measured", "•"))
    bad = measured / "bad.py"
    bad.write_text("BITS = 2\ndef f(matrix):\n    return matrix * 0.5\n")
    done = run(measured, "check", bad, module=MODULE)
    line = told(done)
    assert "may not be measured" in line
    assert "idempotent" in done.out
    assert "quantizing quantized weights changes" in done.out
    assert done.out.count("refused") >= 3
    flagged = run(measured, "check", "uniform-2-unscaled", module=MODULE)
    assert flagged.code == 0
    assert "with 1 flag" in flagged.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "absent.py"], ["absent.py", "No such file"]),
        (["check", "sgn"], ["sgn", "sign"]),
        (["chek"], ["chek"]),
        (["inspect", "absent"], ["absent", "No such file"]),
        (["predict", "absent", "absent.csv"], ["absent"]),
        (["export", *JOB, "--quantizer", "sign"], ["--out"]),
        (["export", *JOB, "--quantizer", "sign", "--out", "/proc/nowhere/m"], ["--out", "/proc/nowhere"]),
        (
            ["export", *JOB, "--quantizer", "sign", "--out", "m", "--train-on", "al"],
            ["'al'", "--train-on all"],
        ),
        (
            ["export", *JOB, "--quantizer", "sign", "--out", "m", "--train-on", "all", "--run", "3"],
            ["--train-on all", "leave out --run"],
        ),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_bad_arguments(arguments, words, tmp_path):
    line = told(run(tmp_path, *arguments, module=MODULE))
    assert all(word in line for word in words), line


def test_help_list_and_the_other_door(tmp_path):
    shown = run(tmp_path, "--help", module=MODULE)
    assert shown.code == 0
    assert all(word in shown.out for word in ("export", "predict", "inspect", "check", "list"))
    assert "model.safetensors" in run(tmp_path, "export", "--help", module=MODULE).out
    assert "ternary-90" in run(tmp_path, "list", module=MODULE).out
    other = run(tmp_path, "quantizers", "check", "sign", module="leaderboard.console")
    assert other.code == 0, other.err
    assert "may be measured" in other.out
