import io
import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest
from rich.console import Console

from benchmark.figures import near_points, write_figures
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.report import Report, number
from tests.benchmark.test_tables import COARSE, FLOAT, GOOD, STEPS, result, rows


def report(*frames) -> Report:
    made = result(*frames)
    made.facts.update(runs=4, pool=1000, test=250, split="random")
    return Report.of(made, indicator=Indicator.PLAIN)


def printed(made: Report, width: int) -> str:
    stream = io.StringIO()
    made.render(Console(file=stream, width=width, color_system=None))
    return stream.getvalue()


def test_markdown_holds_every_quantizer_and_figure():
    text = report(FLOAT, GOOD, COARSE).markdown()
    assert text.startswith("## t · e · 4 runs on random halves of 1,000 records")
    assert "| float32 | 4.00 | 3.50 | 1000 B | 10% | 99.0% | 5.0 | ~ 0.00 [0.00, 0.00] | 3 | 100% |" in text
    assert "| coarse |" in text
    assert "500.00 [" in text  # r = 5e-2 in units of 1e-4


def test_notes_say_what_must_be_known():
    unknown = rows("none", np.full(4, np.nan), 1.1, 0.1, rate=np.nan, reason="one candidate only")
    text = " ".join(report(FLOAT, GOOD, COARSE, unknown).notes())
    assert "Resolution 10.00 × 10⁻⁴" in text
    assert "Spearman correlation of 1.00" in text
    assert "Flag none: r unknown in 4 of 4 runs" in text
    assert "Recommended within a loss of 2.0% of RMSE: none but float32" in text


def recommended(*frames) -> str:
    return next(note for note in report(*frames).notes() if note.startswith("Recommended"))


def test_recommendation_by_r_says_whether_the_gap_agrees():
    near = rows("near", 1e-3 * STEPS, 1.01, 0.2)
    assert recommended(FLOAT, near) == (
        "Recommended within a loss of 2.0% of RMSE: near (largest r, rank 1 of 2; "
        "relative performance 0.990 [0.990, 0.990]). The gap agrees."
    )
    leaky = rows("near", 1e-3 * STEPS, 1.01, 0.5)
    assert recommended(FLOAT, leaky).endswith("By the smallest gap it would be float32.")


def test_recommendation_goes_by_the_gap_where_r_tells_nothing():
    one, two = rows("one", np.full(4, 3e-4), 1.0, 0.35), rows("two", np.full(4, 1e-4), 1.0, 0.3)
    assert "two (smallest gap; r does not tell those within the loss apart;" in recommended(FLOAT, one, two)


@pytest.mark.parametrize("width", [40, 60, 75, 90, 120, 160, 240])
def test_table_fits_and_says_what_it_leaves_out(width):
    text = printed(report(FLOAT, GOOD, COARSE), width)
    assert max(map(len, text.splitlines())) <= width
    assert ("Left out" in text) is (width < 200)
    table = text[: text.index("└")]
    for column in ("quantizer", "r × 10⁴", "relative"):
        assert column in table
    for figure in ("500.00", "0.500", "0.800"):  # no figure is broken or cut
        assert figure in table


def test_markup_in_names_is_printed_as_it_is():
    made = report(FLOAT, rows("[bold]q", 1e-3 * STEPS, 1.25, 0.2))
    made.runs.facts["task"] = "[red]t"
    text = printed(made, 240)
    assert "[bold]q" in text
    assert "[red]t" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1234, "0.123"), (1234.5, "1.23e+03"), (0.0001234, "0.000123"), (0.0, "0.000"), (np.nan, "–")],
)
def test_figures_keep_three_digits(value, text):
    assert number(value) == text


def test_notes_that_depend_on_the_cell():
    text = " ".join(report(FLOAT).notes())
    assert "No recommendation: float32 alone was measured." in text
    assert "cannot be compared: fewer than three quantizers" in text
    assert "From 4 runs only, they are rough." in text
    made = result(FLOAT, GOOD)
    made.facts.update(runs=4, targets=["a", "b", "c"], unscored=["b"], performance_unit="standard deviations")
    trimmed = Report.of(made, Aggregate.TRIMMED, indicator=Indicator.PLAIN)
    text = " ".join(trimmed.notes())
    assert "The trimmed mean of 4 runs leaves none out" in text
    assert "Scored on 2 of 3 labels; left out, with one class or value only in the test set: b." in text
    assert trimmed.metric_label == "RMSE (in SDs) ↓"
    useless = [frame.assign(r2=-0.1) for frame in (FLOAT, GOOD)]
    assert any("no quantizer, nor float32, leaves a model with skill" in n for n in report(*useless).notes())


def test_shared_ranks_are_marked():
    same = rows("same", np.zeros(4), 1.01, 0.4)
    lines = report(FLOAT, same, GOOD).markdown().splitlines()
    assert sum("| 2= |" in line for line in lines) == 2


def test_near_points_share_a_group():
    pixels = np.array([[0.0, 0.0], [5.0, 5.0], [100.0, 0.0], [103.0, 0.0], [50.0, 50.0]])
    assert near_points(pixels) == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    "frames",
    [
        (FLOAT, GOOD, COARSE),
        (FLOAT,),
        (FLOAT, rows("none", np.full(4, np.nan), 1.1, 0.1, rate=np.nan, reason="one candidate only")),
        (FLOAT, rows("wild:a=1", 1e-1 * STEPS, 1e6, 1e9, r2=-9.0)),
    ],
    ids=["three", "one", "unknown r", "exploded"],
)
def test_figures_are_drawn(frames, tmp_path):
    made = report(*frames)
    paths = write_figures(made.table, "RMSE ↓", made.title(), tmp_path)
    assert sorted(p.name for p in paths) == [
        "privacy_by_quantizer.png", "privacy_by_quantizer.svg",
        "privacy_performance.png", "privacy_performance.svg",
    ]  # fmt: skip
    for path in paths:
        if path.suffix == ".png":
            picture = matplotlib.image.imread(path)
            assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 20
        else:
            ET.parse(path)
    names = "".join(ET.parse(tmp_path / "privacy_by_quantizer.svg").getroot().itertext())
    assert all(name in names for name in made.table["quantizer"])


def test_figures_are_the_same_bytes_again(tmp_path):
    made = report(FLOAT, GOOD, COARSE)
    for folder in ("a", "b"):
        write_figures(made.table, "RMSE ↓", made.title(), tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
