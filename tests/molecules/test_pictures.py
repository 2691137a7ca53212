import io

import matplotlib.image
import numpy as np
import pytest

from molecules.errors import DataError
from molecules.pictures import PANEL, molecule_grid


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")


def test_a_panel_for_each_molecule():
    smiles = ["CCO", "c1ccccc1", "CC(=O)O", "CCN"]
    picture = pixels(molecule_grid(smiles, ["one\nlabel", "two", "three", "four"], columns=3))
    assert picture.shape[:2] == (2 * PANEL[1], 3 * PANEL[0])
    inked = [
        (picture[row * PANEL[1] :, column * PANEL[0] :][: PANEL[1], : PANEL[0]] < 0.9).any()
        for row in range(2)
        for column in range(3)
    ]
    assert inked == [True] * 4 + [False] * 2


def test_legends_are_drawn():
    one, two = (pixels(molecule_grid(["CCO"], [legend])) for legend in ("", "rank 1"))
    assert (one != two).any()


def test_a_single_row_is_no_wider_than_it_must_be():
    assert pixels(molecule_grid(["CCO"], ["one"])).shape[:2] == (PANEL[1], PANEL[0])


def test_equal_input_gives_equal_bytes():
    assert molecule_grid(["CCO", "CCN"], ["a", "b"]) == molecule_grid(["CCO", "CCN"], ["a", "b"])


def test_what_cannot_be_parsed_is_named():
    with pytest.raises(DataError, match="C1CC"):
        molecule_grid(["C1CC"], [""])
