"""The reproductions: figure 5 against the functions written out by hand, and its command line."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from benchmark.reproductions import REPRODUCTIONS
from benchmark.reproductions.drawing.fig5 import _steps
from benchmark.reproductions.fig5 import FILES, POINTS, quantization_functions, sentence
from models.quantizers import QUANTIZERS
from models.quantizers.zoo import PAPER

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def functions():
    return quantization_functions()


def test_every_quantizer_of_the_paper_with_both_conventions(functions):
    names = list(functions["quantizer"].unique())
    assert [name for name in names if not name.endswith("-unscaled")] == list(PAPER)
    assert set(names) == set(QUANTIZERS)
    for _, rows in functions.groupby("quantizer"):
        np.testing.assert_allclose(rows["input"], np.linspace(-1, 1, POINTS), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("float32", lambda w: w),
        ("sign", lambda w: np.where(w >= 0, 0.5, -0.5)),
        ("sign-unscaled", lambda w: np.where(w >= 0, 1, -1)),
        ("ternary-90", lambda w: 0.95 * np.sign(w) * (np.abs(w) > 0.9)),
        ("ternary-33-unscaled", lambda w: np.sign(w) * (np.abs(w) > 0.33)),
        ("uniform-2", lambda w: np.round(w)),
        ("uniform-3-unscaled", lambda w: np.round(3 * w) / 3),
        ("uniform-8", lambda w: np.round(127 * w) / 127),
    ],
)
def test_functions_are_those_written_by_hand(name, expected, functions):
    rows = functions[functions["quantizer"] == name]
    difference = np.abs(rows["output"] - expected(rows["input"].to_numpy(dtype=float)))
    # a weight on a threshold may fall to either side of it; a mean over weights is no integral
    assert (difference > 1e-3).sum() <= 4


def test_the_sentence_holds_the_shares(functions):
    said = sentence(functions)
    for part in ("33% to 90%", "50% at 2 bits (3 levels)", "17% at 3 bits (7 levels)", "(255 levels)"):
        assert part in said
    assert "\n" not in said


class Panel:
    """Keeps what is plotted on it."""

    def plot(self, x, y, **style):
        self.x, self.y = x, y


@pytest.mark.parametrize("name", ["sign", "ternary-75", "uniform-3", "float32"])
def test_a_drawn_function_passes_through_all_its_points(name, functions):
    rows, panel = functions[functions["quantizer"] == name], Panel()
    _steps(panel, rows)
    np.testing.assert_allclose(np.interp(rows["input"], panel.x, panel.y), rows["output"], atol=1e-6)


def reproduce(*arguments):
    command = [sys.executable, "-m", "benchmark.reproduce", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


def test_the_command_writes_numbers_and_figure_and_says_what_is_seen(tmp_path):
    done = reproduce("fig5", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Of weights spread evenly")
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    table = pd.read_csv(tmp_path / "fig5.csv")
    assert list(table.columns) == ["quantizer", "input", "output"]
    assert len(table) == 23 * POINTS
    picture = matplotlib.image.imread(tmp_path / "fig5.png")
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 50
    svg = (tmp_path / "fig5.svg").read_text()
    assert all(name in svg for name in PAPER)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["fig99"], "fig99"), (["fig5", "--out", "/proc/nowhere"], "--out"), (["fig5", "--ouf", "x"], "--ouf")],
)
def test_mistakes_are_told_in_one_line(arguments, words):
    done = reproduce(*arguments)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert words in line
    assert "Traceback" not in done.stderr


def test_every_reproduction_is_a_sub_command_with_help():
    shown = reproduce("--help").stdout
    assert all(name in shown for name in REPRODUCTIONS)
    assert all(command.__doc__ for _, command in REPRODUCTIONS.items())
