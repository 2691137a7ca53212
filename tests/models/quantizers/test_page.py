"""The page about the zoo is what the code says."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from models.quantizers import QUANTIZERS
from models.quantizers.base import FAMILIES
from models.quantizers.library import ROWS
from models.quantizers.measures import relative_error
from models.quantizers.page import SEED, SIZE, draw, page, stated_errors

NUMBER = re.compile(r"\d+\.\d+")
ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_page_is_what_the_code_makes():
    text, made = (ROOT / "docs" / "quantizers.md").read_text(), page()
    assert NUMBER.sub("n", text) == NUMBER.sub("n", made)
    # the last digit may be another one where sums are rounded otherwise
    np.testing.assert_allclose(*([float(n) for n in NUMBER.findall(p)] for p in (text, made)), atol=0.011)
    assert all(f"| {name} |" in text or f"| **{name}** |" in text for name in QUANTIZERS)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_docstrings_state_the_error_that_is_measured(family):
    cls = FAMILIES[family]
    stated = stated_errors(cls)
    rows = {**dict(ROWS.items()), **dict(QUANTIZERS.items())}
    assert set(stated) == {name for name, quantizer in rows.items() if type(quantizer) is cls}
    weight = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(SEED))
    for name, figure in stated.items():
        if name in QUANTIZERS:
            error = float(relative_error(weight, QUANTIZERS[name].quantize(weight)))
            assert float(figure) == pytest.approx(error, abs=0.002), name


def test_the_figure_is_drawn(tmp_path):
    draw(tmp_path / "quantizers.png")
    assert (tmp_path / "quantizers.png").stat().st_size > 100_000
