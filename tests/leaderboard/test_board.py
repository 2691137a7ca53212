import pytest

from leaderboard import board
from molecules.errors import DataError
from tests.benchmark.test_results import written


def test_board_holds_every_cell_and_names_what_it_skips(tmp_path):
    written(tmp_path, "k1", "a")
    written(tmp_path, "k2", "b")
    (tmp_path / "broken.parquet").write_text("nothing")
    made = board(tmp_path)
    assert made.frame[["task", "quantizer", "cell"]].to_numpy().tolist() == [
        ["a", "float32", "k1"], ["a", "good", "k1"], ["b", "float32", "k2"], ["b", "good", "k2"]
    ]  # fmt: skip
    assert len(made.skipped) == 1
    assert "broken.parquet" in made.skipped[0]


def test_board_of_nothing(tmp_path):
    with pytest.raises(DataError, match="no result in"):
        board(tmp_path)
    with pytest.raises(DataError, match="no results folder"):
        board(tmp_path / "absent")
