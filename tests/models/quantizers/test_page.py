"""The page about the zoo is what the code says."""

from pathlib import Path

from models.quantizers import QUANTIZERS
from models.quantizers.page import draw, page

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_page_is_what_the_code_makes():
    text = (ROOT / "docs" / "quantizers.md").read_text()
    assert text == page()
    assert all(f"| {name} |" in text or f"| **{name}** |" in text for name in QUANTIZERS)


def test_the_figure_is_drawn(tmp_path):
    draw(tmp_path / "quantizers.png")
    assert (tmp_path / "quantizers.png").stat().st_size > 100_000
