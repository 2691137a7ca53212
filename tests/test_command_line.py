"""The real command line, in processes of its own, on molecules that come with RDKit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from benchmark.tables import STABLE_COLUMNS
from models.quantizers.zoo import PAPER, zoo_names
from tests.done import Done

ROOT = Path(__file__).resolve().parents[1]
JOB = ["--task", "chembl2321810", "--encoder", "ecfp"]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "MOLMIS_CACHE": str(cache), "COLUMNS": "200"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmark.run", *map(str, arguments)]


def run(cache: Path, *arguments: object, module: str = "benchmark.run") -> Done:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(cache),
        timeout=300,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_what_does_not_fit_into_memory_is_refused_before_an_encoder_is_pretrained(tmp_path):
    models = ["--train-encoder", "--hidden", "4096,4096,4096", "--epochs", 10_000]
    done = run(tmp_path / "cache", "--task", "chembl2321810", *models, "--results", tmp_path / "results")
    assert done.code == 2
    (said,) = [line for line in done.err.splitlines() if "GiB" in line]
    assert "GiB of memory, and " in said
    assert "--epochs" in said
    assert not [*(tmp_path / "cache").rglob("*.safetensors"), *(tmp_path / "cache").rglob("*.checkpoint")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """One finished run, shared: the folder with cache, results and out, and what was printed."""
    folder = tmp_path_factory.mktemp("finished")
    done = run(folder / "cache", *JOB, "--runs", 4, "--results", folder / "results", "--out", folder / "out")
    return folder, done


def test_the_main_job_end_to_end(finished):
    folder, done = finished
    assert done.code == 0, done.err
    table = pd.read_csv(folder / "out" / "table.csv")
    assert tuple(table.columns[: len(STABLE_COLUMNS)]) == STABLE_COLUMNS
    assert tuple(table["quantizer"]) == PAPER
    reference = table.set_index("quantizer").loc["float32"]
    assert reference["relative_performance"] == 1.0
    assert reference["bits"] == 32
    assert reference["coverage"] == 0
    assert reference["performance"] < 0.8  # RMSE in pIC50 units; a constant prediction has 1.07
    for value in ("r", "performance", "relative", "gap"):
        name = {"relative": "relative_performance", "gap": "generalization_gap"}.get(value, value)
        assert np.isfinite(table[name]).all()
        assert (table[f"{value}_low"] <= table[name] + 1e-12).all()
        assert (table[name] <= table[f"{value}_high"] + 1e-12).all()
    ranked, known = table["privacy_rank"].dropna(), table["r"].notna() & ~table["no_skill"]
    assert len(ranked) == known.sum()
    assert ranked.min() == 1
    assert ranked.isin(range(1, 13)).all()
    sparse = table[table["quantizer"].str.startswith("ternary")]
    np.testing.assert_allclose(sparse["zeros"], [0.33, 0.5, 0.75, 0.9], atol=2e-3)
    # from 32 bits to 1; ternary rows alike but for their parameters in the header, in words of 8 bytes
    assert table["packed_bytes"].diff().max() <= 8
    assert (table["packed_bytes"] < reference["packed_bytes"]).sum() == 11


def test_what_is_printed_and_written(finished):
    folder, done = finished
    for name in PAPER:
        assert name in done.out
    assert "Recommended" in done.out
    assert "Resolution" in done.out
    assert "1,017 records" in done.err
    text = (folder / "out" / "table.md").read_text()
    assert text.count("\n| ") == 13
    for name in ("privacy_performance", "privacy_by_quantizer"):
        picture = matplotlib.image.imread(folder / "out" / "figures" / f"{name}.png")
        assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
        svg = (folder / "out" / "figures" / f"{name}.svg").read_text()
        assert all(quantizer in svg for quantizer in PAPER)
    assert len(list((folder / "results").glob("*.parquet"))) == 1


def test_a_second_call_reuses_the_result(finished):
    folder, _ = finished
    again = run(
        folder / "cache", *JOB, "--runs", 4, "--results", folder / "results", "--out", folder / "again"
    )
    assert again.code == 0
    assert "results: reused" in again.err
    assert "training heads" not in again.err
    assert (folder / "again" / "table.csv").read_bytes() == (folder / "out" / "table.csv").read_bytes()


def test_seed_decides_the_table(finished, tmp_path):
    folder, _ = finished
    for seed, equal in ((0, True), (1, False)):
        out = tmp_path / str(seed)
        done = run(tmp_path / "cache", *JOB, "--runs", 4, "--seed", seed, "--results", out, "--out", out)
        assert done.code == 0, done.err
        assert ((out / "table.csv").read_bytes() == (folder / "out" / "table.csv").read_bytes()) is equal


def test_a_further_quantizer_reuses_the_bank(finished):
    folder, _ = finished
    more = [
        "--quantizers",
        "sign,ternary:sparsity=0.6",
        "--results",
        folder / "more",
        "--out",
        folder / "more",
    ]
    done = run(folder / "cache", *JOB, "--runs", 4, *more)
    assert done.code == 0, done.err
    assert "bank: reused 4 of 4 trained runs" in done.err
    assert "evaluation: reused 2 of 3" in done.err
    table = pd.read_csv(folder / "more" / "table.csv")
    assert table["quantizer"].tolist() == ["float32", "sign", "ternary:sparsity=0.6"]
    assert table["zeros"][2] == pytest.approx(0.6, abs=2e-3)


def test_classification_and_many_quantizers(tmp_path):
    zoo = "paper,uniform-2-unscaled,hqq-3,pq:codes=8,gptq-4,kmeans-2,constant"
    arguments = ["--task", "chembl2321810-active", "--encoder", "ecfp", "--runs", 3, "--quantizers", zoo]
    done = run(tmp_path, *arguments, "--results", tmp_path / "results", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "out" / "table.csv").set_index("quantizer")
    assert len(table) == 18
    assert "calibrated on 128 public records" in table.loc["gptq-4", "flags"]
    assert "single level" in table.loc["constant", "flags"]
    assert set(table["metric"]) == {"roc_auc"}
    assert table.loc["float32", "performance"] > 0.85
    assert table.loc["uniform-2-unscaled", "constant_share"] == 1  # all weights rounded to 0
    assert not table.loc["uniform-2-unscaled", "pareto"]


def test_own_file(tmp_path):
    rows = [
        f"{'C' * i}{tail};{i + 0.5 * len(tail)}"
        for i in range(1, 31)
        for tail in ("O", "N", "S", "C(=O)O", "Cl", "c1ccccc1")
    ]
    file = tmp_path / "assay.csv"
    file.write_text("structure;logP\n" + "\n".join(rows) + "\nnot a molecule;1.0\n")
    columns = ["--smiles", "structure", "--target", "logP"]
    folders = ["--results", tmp_path / "r", "--out", tmp_path / "o"]
    done = run(tmp_path, "--task", file, *columns, "--encoder", "ecfp", "--runs", 2, *folders)
    assert done.code == 0, done.err
    assert "1 unparseable" in done.err
    table = pd.read_csv(tmp_path / "o" / "table.csv")
    assert set(table["metric"]) == {"rmse"}
    assert set(table["task"]) == {"file:assay"}


def test_the_plain_indicator_is_there_by_name_and_nothing_is_measured_again(finished):
    folder, _ = finished
    places = ["--results", folder / "results", "--out", folder / "plain"]
    done = run(folder / "cache", *JOB, "--runs", 4, "--indicator", "plain", *places)
    assert done.code == 0, done.err
    assert "results: reused" in done.err
    plain, default = (
        pd.read_csv(folder / name / "table.csv").set_index("quantizer") for name in ("plain", "out")
    )
    assert set(plain["indicator"]) == {"plain"}
    assert set(default["indicator"]) == {"membership"}
    np.testing.assert_allclose(plain["r"], default["r_plain"])
    refused = run(folder / "cache", *JOB, "--indicator", "plane")
    assert refused.code == 2
    assert "'plane'" in refused.err
    assert "membership" in refused.err


def test_the_data_of_a_task_is_reported_and_nothing_is_trained(tmp_path):
    job = ["--task", "chembl2321810-active", "--report", "--out", tmp_path / "out", "--split", "butina"]
    unused = ["--results", tmp_path / "results", "--no-attacks", "--hidden", "8", "--quantizers", "sign"]
    done = run(tmp_path / "cache", *job, *unused, "--encoder", "ecfp")
    assert done.code == 0, done.err
    assert "1,017  records, one a molecule" in done.out
    assert "(butina split)" in done.out
    assert "0  molecules that the encoder ecfp saw in pretraining, without labels" in done.out
    (said,) = (line for line in done.err.splitlines() if "without effect" in line)
    assert said.startswith("--report trains nothing; without effect: ")
    assert {*said.partition("effect: ")[2].split(", ")} == {
        "--results",
        "--no-attacks",
        "--hidden",
        "--quantizers",
    }
    assert "active │ 1,017" in done.out
    assert json.loads((tmp_path / "out" / "data_report.json").read_text())["cleaning"]["kept"] == 1017
    assert not (tmp_path / "results").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["data_report.json"]


def test_a_synthetic_task_needs_no_encoder(tmp_path):
    task = ["--task", "gaussian-modes-regression:m=1000,spread=0.3,d=8"]
    done = run(tmp_path, *task, "--runs", 4, "--results", tmp_path / "results", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "out" / "table.csv").set_index("quantizer")
    assert tuple(table.index) == PAPER
    assert table["membership_effect"].notna().all()
    assert table.loc["float32", "r2"] > 0.2
    assert "drawn afresh" in done.out


def wait_for(moment: Callable[[Path], bool], cache: Path, started: subprocess.Popen[str]) -> None:
    """Wait until a process has come so far, or has ended."""
    deadline = time.monotonic() + 120
    while not moment(cache) and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def after_embedding(cache: Path) -> bool:
    return any(cache.glob("embeddings/*.safetensors"))


def after_first_bank_block(cache: Path) -> bool:
    return any(cache.glob("bank/*/*.safetensors"))


def after_some_evaluations(cache: Path) -> bool:
    return len(list(cache.glob("bank/*/*/*.parquet"))) >= 4


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("uninterrupted")
    done = run(folder, *JOB, "--runs", 20, "--results", folder / "results", "--out", folder / "out")
    assert done.code == 0, done.err
    return (folder / "out" / "table.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [after_first_bank_block, after_some_evaluations])
def test_killed_and_run_again_gives_the_same_table(moment: Callable[[Path], bool], tmp_path, uninterrupted):
    cache, out = tmp_path / "cache", tmp_path / "out"
    arguments = [*JOB, "--runs", 20, "--results", tmp_path / "results", "--out", out]
    started = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        env=environment(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(moment, cache, started)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert moment(cache), "the run ended before the moment to kill it"
    assert not (out / "table.csv").exists(), "the run was too fast to be killed"
    again = run(cache, *arguments)
    assert again.code == 0, again.err
    assert "bank: reused 16 of 20" in again.err or "bank: reused 20 of 20" in again.err
    assert (out / "table.csv").read_bytes() == uninterrupted


@pytest.mark.slow
def test_interrupted_by_the_user_and_run_again(tmp_path, finished):
    folder, _ = finished
    cache, out = tmp_path / "cache", tmp_path / "out"
    arguments = [*JOB, "--runs", 4, "--results", tmp_path / "results", "--out", out]
    started = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        env=environment(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background job ignores Ctrl-C, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_for(after_embedding, cache, started)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert err.splitlines()[-1] == "stopped; the same command goes on where it was"
    assert "Traceback" not in err
    assert list(tmp_path.rglob("*.part")) == []
    again = run(cache, *arguments)
    assert again.code == 0, again.err
    assert "embeddings: reused" in again.err
    assert (out / "table.csv").read_bytes() == (folder / "out" / "table.csv").read_bytes()


def told(done: Done) -> str:
    """The one line of an error, after checking that it is one line, and no traceback."""
    assert done.code == 2, done.err
    assert "Traceback" not in done.err + done.out
    lines = [line for line in done.err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, done.err
    assert done.err.splitlines()[-1] == lines[0]
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "tox12"], ["tox12", "tox21"]),
        (["--encoder", "gim"], ["gim", "gin"]),
        (["--encoder", "absent.npz"], ["absent.npz"]),
        (["--encoder", "hf:absent"], ["hf:absent"]),
        (["--encoder", "gcn", "--pretrain-on", "absent.smi"], ["--pretrain-on", "absent.smi"]),
        (["--encoder", "ecfp", "--pretrain-objective", "masking"], ["ecfp", "gin"]),
        (["--pretrain-objective", "mask"], ["descriptors", "masking", "contrastive"]),
        (["--task", "gaussian-modes:mods=3"], ["mods", "modes", "spread"]),
        (["--task", "gaussian-modes:n=7"], ["n='7'", "100 to 100,000"]),
        (["--task", "gaussian-modes", "--encoder", "gin"], ["gin", "vectors", "--encoder none"]),
        (["--quantizers", "sgn"], ["sgn", "sign"]),
        (["--quantizers", "ternary:sparsity=2"], ["sparsity", "[0, 1)"]),
        (["--quantizers", "uniform:bit=3"], ["bit", "bits"]),
        (["--quantizers", "uniform:bits=many"], ["bits"]),
        (["--split", "scafold"], ["scaffold"]),
        (["--preset", "fast"], ["quick", "standard", "paper"]),
        (["--task", "tox21:NR-AX"], ["NR-AX", "NR-AR", "label of tox21"]),
        (["--task", "delaney:x"], ["delaney", "one label only"]),
        (["--task", "herg", "--test-share", "0.3"], ["herg", "--test-share", "--split random"]),
        (["--task", "chembl2321810", "--split", "official"], ["official", "no test set apart"]),
        (["--task", "ames", "--no-download", "--report"], ["ames/train_val.csv", "dataverse", "--data-dir"]),
        (["--task", "absent.sdf", "--target", "y", "--report"], ["absent.sdf", "check the path"]),
        (["--task", "absent.parquet", "--target", "y"], ["absent.parquet", "check the path"]),
        (["--report", "--out", "/proc/nowhere"], ["--out", "/proc/nowhere"]),
        (["--taks", "tox21"], ["--task"]),
        (["--runs", "1"], ["--runs"]),
        (["--hidden", "0", "--dropout", "0.2"], ["--dropout", "--hidden 0"]),
        (["--max-drop", "3"], ["--max-drop"]),
        (["--device", "cuda"], ["cuda", "--device cpu"]),
        (["--smiles", "x"], ["--task path"]),
        (["--task", "absent.csv", "--target", "y"], ["absent.csv"]),
        (["--out", "/proc/nowhere"], ["--out", "/proc/nowhere"]),
        (["--results", "/proc/nowhere"], ["--results", "/proc/nowhere"]),
        (["--list", "task"], ["--list", "tasks", "encoders", "quantizers"]),
        (["--test-share", "0.9"], ["--test-share", "0.5"]),
        (["--seed", "-1"], ["--seed", "0"]),
        (["tox21"], ["tox21"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("--") else "",
)
def test_bad_arguments(arguments, words, here):
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    line = told(here(*arguments))
    assert all(word in line for word in words), line


def test_a_mistake_is_one_line_and_code_2_in_a_process_of_its_own(tmp_path):
    line = told(run(tmp_path, "--task", "tox12"))
    assert "tox21" in line


MOLECULES = ["C" * i + tail for i in range(1, 40) for tail in ("O", "N", "S", "Cl")]


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("<!DOCTYPE html><html>404</html>", "y", ["HTML"]),
        ("", "y", ["empty"]),
        ("smiles,y\nCCO,1.5\nCCN,2.5\nCCC,0.5\n", "y", ["3 records", "100"]),
        ("smiles,y\n" + "\n".join(f"{s},{i}" for i, s in enumerate(MOLECULES)), "Y2", ["Y2", "y"]),
        ("smiles,y\n" + "\n".join(f"{s},1" for s in MOLECULES), "y", ["class"]),
        (
            "smiles,y\n" + "\n".join(f"{s},{i or '>10'}" for i, s in enumerate(MOLECULES)),
            "y",
            ["row 1", ">10"],
        ),
    ],
    ids=["web page", "empty", "few records", "unknown column", "one class", "no number"],
)
def test_bad_files(text, target, words, tmp_path, here):
    file = tmp_path / "assay.csv"
    file.write_text(text)
    line = told(here("--task", file, "--target", target, "--encoder", "ecfp"))
    assert all(word in line for word in words), line


def test_debug_shows_the_traceback(tmp_path):
    done = run(tmp_path, "--task", "tox12", "--debug")
    assert done.code == 2
    assert "Traceback" in done.err


def test_help_and_lists(tmp_path):
    from models.encoders.base import ENCODERS
    from tasks.catalogue import TASKS

    shown = run(tmp_path, "--help")
    assert shown.code == 0
    assert all(
        option in shown.out for option in ("--task", "--encoder", "--quantizers", "--preset", "--max-drop")
    )
    for what, names in (("tasks", TASKS), ("encoders", ENCODERS), ("quantizers", zoo_names("all"))):
        listed = run(tmp_path, "--list", what)
        assert listed.code == 0
        assert all(name in listed.out for name in names)


def test_export_holds_what_the_table_holds(finished):
    folder, _ = finished
    done = run(folder / "cache", "--results", folder / "results", module="leaderboard.export")
    assert done.code == 0, done.err
    (folder / "board.csv").write_text(done.out)
    board, table = pd.read_csv(folder / "board.csv"), pd.read_csv(folder / "out" / "table.csv")
    pd.testing.assert_frame_equal(board[table.columns], table)


def test_export_of_nothing(tmp_path):
    assert "no results folder" in told(
        run(tmp_path, "--results", tmp_path / "none", module="leaderboard.export")
    )
