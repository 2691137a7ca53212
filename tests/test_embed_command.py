"""``python -m models.embed`` in processes of its own: what is printed, and how it is stopped and goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import RDConfig

from benchmark.embed_command import main
from models.encoders.ecfp import Ecfp
from tests.models.embed.test_run import files
from tests.test_command_line import ROOT, environment, run, told

MODULE = "models.embed"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """20,000 rows: enough that a command can be stopped while it works on them."""
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text().splitlines()
    texts = [line.split()[0] for line in lines[:2000]]
    texts[7] = "nonsense"
    path = tmp_path_factory.mktemp("library") / "library.csv"
    path.write_text("smiles\n" + "\n".join(texts * 10) + "\n")
    return path


def arguments(library: Path, out: Path) -> list[object]:
    return [library, "--encoder", "ecfp", "--out", out, "--part-size", 200, "--workers", 2]


@pytest.fixture(scope="module")
def uninterrupted(library, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    done = run(folder / "cache", *arguments(library, folder / "out"), module=MODULE)
    assert done.code == 0, done.err
    assert "19,990 of 20,000 rows embedded; dropped: 10 unparseable" in done.out
    assert "100 parts in" in done.out
    assert "rows embedded" in done.err
    assert re.search(r"20000/20000 +[\d,]+/s", done.err)
    assert "Traceback" not in done.err
    return folder / "out"


def started(library: Path, out: Path, cache: Path) -> subprocess.Popen[str]:
    """A command that has made some parts and is at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, *map(str, arguments(library, out))],
        cwd=ROOT,
        env=environment(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell's background job ignores Ctrl-C, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if len(list((out / "parts").glob("part-*.parquet"))) >= 10:
            break
        time.sleep(0.002)
    return process


@pytest.mark.slow
def test_killed_and_given_again_it_makes_the_same_files(library, uninterrupted, tmp_path):
    out = tmp_path / "out"
    process = started(library, out, tmp_path / "cache")
    process.kill()
    process.communicate(timeout=60)
    there = len(list((out / "parts").glob("part-*.parquet")))
    assert 10 <= there < 100, "it ended before the moment to kill it"
    again = run(tmp_path / "cache", *arguments(library, out), module=MODULE)
    assert again.code == 0, again.err
    reused = int(again.out.split("100 parts in")[1].rsplit(", ", 1)[1].split()[0])
    assert there <= reused < 100  # processes end with the part that they had begun
    assert files(out) == files(uninterrupted)


@pytest.mark.slow
def test_interrupted_by_the_user_it_leaves_no_half_file(library, uninterrupted, tmp_path):
    out = tmp_path / "out"
    process = started(library, out, tmp_path / "cache")
    # as a terminal does: to the command and to all processes that it started
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "stopped; the same command goes on where it was"
    assert "Traceback" not in err
    assert list(out.rglob("*.part")) == []
    again = run(tmp_path / "cache", *arguments(library, out), module=MODULE)
    assert again.code == 0, again.err
    assert "of them from before" in again.out
    assert files(out) == files(uninterrupted)


def test_the_embeddings_are_read_as_the_page_says(uninterrupted):
    frame = pd.read_parquet(uninterrupted / "parts", filters=[("row", "<=", 400)])
    np.testing.assert_array_equal(np.stack(frame["embedding"]), Ecfp().encode(frame["smiles"].tolist()))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["absent.csv"], ["absent.csv", "check the path"]),
        (["library.sdf"], ["library.sdf", "row by row", ".csv"]),
        (["{library}", "--smiles-column", "SMILE"], ["'SMILE'", "smiles", "library.csv"]),
        (["{library}", "--id-column", "ID"], ["'ID'", "library.csv"]),
        (["{library}", "--encoder", "gim"], ["gim", "gin"]),
        (["{library}", "--encoder", "none"], ["none", "vectors", "molecules"]),
        (["{library}", "--encoder", "hf:absent"], ["hf:absent"]),
        (["{library}", "--encoder", "ecfp", "--pretrain-objective", "masking"], ["ecfp", "gin"]),
        (["{library}", "--workers", "0"], ["--workers"]),
        (["{library}", "--part-size", "0"], ["--part-size"]),
        (["{library}", "--out", "/proc/nowhere"], ["--out", "/proc/nowhere"]),
        (["{library}", "--encodr", "gin"], ["--encodr", "--encoder"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith(("{", "a")) else "",
)
def test_bad_arguments(given, words, library, tmp_path, here):
    given = [text.format(library=library) for text in given]
    out = [] if "--out" in given else ["--out", tmp_path / "out"]
    line = told(here(*given, *out, main=main))
    assert all(word in line for word in words), line
    assert not (tmp_path / "out" / "parts").exists()


def test_another_part_size_is_refused_and_nothing_is_lost(library, uninterrupted, here):
    before = files(uninterrupted)
    line = told(here(*arguments(library, uninterrupted), "--part-size", 100, main=main))
    assert "--part-size 200, here 100" in line
    assert files(uninterrupted) == before


def test_help_teaches(tmp_path):
    shown = run(tmp_path, "--help", module=MODULE)
    assert shown.code == 0
    assert all(word in shown.out for word in ("--encoder", "--part-size", "--id-column", "parts/", "goes on"))
    assert run(tmp_path, "embed", "--help", module="leaderboard.console").code == 0
