"""The page about the zoo is what the code says."""

import re
from pathlib import Path

import numpy as np

from models.quantizers import QUANTIZERS
from models.quantizers.page import draw, page

NUMBER = re.compile(r"\d+\.\d+")
ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_page_is_what_the_code_makes():
    text, made = (ROOT / "docs" / "quantizers.md").read_text(), page()
    assert NUMBER.sub("n", text) == NUMBER.sub("n", made)
    # the last digit may be another one where sums are rounded otherwise
    np.testing.assert_allclose(*([float(n) for n in NUMBER.findall(p)] for p in (text, made)), atol=0.011)
    assert all(f"| {name} |" in text or f"| **{name}** |" in text for name in QUANTIZERS)


def test_the_figure_is_drawn(tmp_path):
    draw(tmp_path / "quantizers.png")
    assert (tmp_path / "quantizers.png").stat().st_size > 100_000
