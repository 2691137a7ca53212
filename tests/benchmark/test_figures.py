"""What the figures show, read from the drawing itself; how they look on paper is for eyes."""

import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.figures import (
    UNIT,
    family,
    near_points,
    privacy_by_quantizer,
    privacy_performance,
    write_figures,
)
from benchmark.privacy.indicator_name import Indicator
from benchmark.report import Report
from tests.benchmark.test_tables import COARSE, FLOAT, GOOD, STEPS, result, rows

FLAT = rows("sign", 1e-1 * STEPS, 1.1, 0.0, constant=True)
UNKNOWN = rows("none", np.full(4, np.nan), 1.1, 0.1, rate=np.nan, reason="one candidate only")


def table(*frames):
    made = result(*frames)
    made.facts.update(runs=4, pool=1000, test=250, split="random")
    return Report.of(made, indicator=Indicator.PLAIN).table


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12))
def test_near_points_by_brute_force(places):
    pixels = np.array(places, dtype=float)
    groups = near_points(pixels, apart=12.0)
    assert sorted(member for group in groups for member in group) == list(range(len(places)))
    leads = [group[0] for group in groups]
    for group in groups:
        for member in group:
            # the first group whose lead is near takes the point; a lead is near to no earlier one
            near = [
                lead for lead in leads if lead <= member and np.hypot(*(pixels[lead] - pixels[member])) < 12
            ]
            assert near[0] == group[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ternary-90", "ternary"), ("ternary:sparsity=0.8", "ternary"), ("sign", "sign"), ("lab/q-2", "lab/q")],
)
def test_family(name, expected):
    assert family(name) == expected


def test_points_stand_at_the_figures_of_the_table():
    made = table(FLOAT, GOOD, COARSE)
    axes = privacy_performance(made, "RMSE ↓", "title").axes[0]
    drawn = {tuple(np.round(line.get_xydata()[0], 9)) for line in axes.lines if len(line.get_xydata()) == 1}
    expected = np.column_stack([made["relative_performance"], UNIT * made["r"]])
    assert {tuple(np.round(point, 9)) for point in expected} <= drawn
    assert {text for label in axes.texts for text in label.get_text().split("\n")} == set(made["quantizer"])
    (front,) = (line for line in axes.lines if line.get_label() == "Pareto front")
    assert sorted(front.get_xdata()) == pytest.approx([0.5, 0.8, 1.0])


def test_what_is_not_drawn_is_named_with_the_reason():
    figure = privacy_performance(table(FLOAT, GOOD, FLAT, UNKNOWN), "RMSE ↓", "title")
    markers = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(markers) == 2
    told = figure.legends[0].get_title().get_text()
    assert told == "not drawn: sign (useless model); none (r unknown)"


def test_a_useless_quantizer_is_hollow_and_does_not_stretch_the_axis():
    wild = rows("wild", 1e-1 * STEPS, 1e6, 1e9, r2=-9.0)
    figure = privacy_by_quantizer(table(FLOAT, GOOD, FLAT, wild), "title")
    left, right = figure.axes
    markers = [line for line in left.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert [line.get_markerfacecolor() == "none" for line in markers] == [False, False, True, True]
    assert right.get_xlim()[1] < 1
    assert "wild (gap beyond the axis)" in figure.legends[0].get_title().get_text()


def test_rows_of_the_second_figure_are_in_the_order_of_the_table():
    made = table(FLOAT, GOOD, COARSE, UNKNOWN)
    left, right = privacy_by_quantizer(made, "title").axes
    from_the_top = sorted(zip(left.get_yticks(), left.get_yticklabels(), strict=True), reverse=True)
    assert [label.get_text() for _, label in from_the_top] == made["quantizer"].tolist()
    gaps = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "o"]
    assert gaps == pytest.approx(made["generalization_gap"].tolist())


@pytest.mark.parametrize("frames", [(FLOAT, GOOD, COARSE), (FLOAT,), (FLOAT, UNKNOWN)], ids=len)
def test_files_are_what_their_endings_say(frames, tmp_path):
    made = table(*frames)
    for path in write_figures(made, "RMSE ↓", "title", tmp_path):
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
            height, width, _ = matplotlib.image.imread(path).shape
            assert min(height, width) > 300
        else:
            names = "".join(ET.parse(path).getroot().itertext())
            shown = made
            assert all(name in names for name in shown["quantizer"])


def test_of_many_points_the_front_alone_is_named():
    frames = [rows(f"q-{k}", (1 + k) * 1e-3 * STEPS, 1.0 + 0.01 * k, 0.2) for k in range(20)]
    worse = [rows(f"worse-{k}", (1 + k) * 1e-4 * STEPS, 1.4 + 0.01 * k, 0.2) for k in range(15)]
    made = table(FLOAT, *frames, *worse)
    figure = privacy_performance(made, "RMSE ↓", "title")
    named = {text for label in figure.axes[0].texts for text in label.get_text().split("\n")}
    assert named == {"float32", *made.loc[made["pareto"], "quantizer"]}
    assert not any(name.startswith("worse") for name in named)
    assert "the Pareto front are named" in figure.legends[0].get_title().get_text()
