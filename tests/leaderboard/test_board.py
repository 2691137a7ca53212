"""The board of a store: what is on it, what is said of what is not, and where quantizers are from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark import results as store_of
from benchmark.results import HISTORY, path_beside, write_cell
from leaderboard import Board, Source, board
from molecules.errors import DataError, UnknownNameError
from tests.benchmark.test_attack_table import attacked
from tests.benchmark.test_results import written


def with_attacks(folder: Path, key: str, task: str) -> Path:
    path, made = written(folder, key, task)
    found = attacked()
    write_cell(path, replace(found, facts=found.facts | made.facts))
    return path


def tasks(made: Board) -> list[str]:
    return made.frame["task"].drop_duplicates().tolist()


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
    assert {cell: path.name.split(".")[0] for cell, path in made.paths.items()} == {"k1": "a", "k2": "b"}


def test_board_of_nothing(tmp_path):
    with pytest.raises(DataError, match="no result in"):
        board(tmp_path)
    with pytest.raises(DataError, match="no results folder"):
        board(tmp_path / "absent")
    (tmp_path / "broken.parquet").write_text("nothing")
    with pytest.raises(DataError, match=r"no result in .* \(result .*broken.parquet is damaged"):
        board(tmp_path)


def truncated(path: Path, monkeypatch) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flipped(path: Path, monkeypatch) -> None:
    data = bytearray(path.read_bytes())
    start = len(data) // 3  # some single bytes carry nothing
    data[start : start + 64] = bytes(255 - byte for byte in data[start : start + 64])
    path.write_bytes(data)


def empty(path: Path, monkeypatch) -> None:
    path.write_bytes(b"")


def foreign(path: Path, monkeypatch) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def text(path: Path, monkeypatch) -> None:
    path.write_text("quantizer,r\n")


def folder(path: Path, monkeypatch) -> None:
    path.unlink()
    path.mkdir()


def future(path: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store_of, "FORMAT_VERSION", 99)
        written(path.parent, "k2", "b")


def without_rows(path: Path, monkeypatch) -> None:
    _, made = written(path.parent, "k2", "b")
    write_cell(path, replace(made, rows=made.rows.iloc[:-1]))


def without_facts(path: Path, monkeypatch) -> None:
    _, made = written(path.parent, "k2", "b")
    write_cell(
        path, replace(made, facts={name: made.facts[name] for name in ("key", "kind", "seed", "metric")})
    )


def of_another_protocol(path: Path, monkeypatch) -> None:
    _, made = written(path.parent, "k2", "b")
    write_cell(path, replace(made, facts=made.facts | {"protocol_version": 2}))


def of_no_protocol(path: Path, monkeypatch) -> None:
    _, made = written(path.parent, "k2", "b")
    write_cell(path, replace(made, facts=made.facts | {"protocol_version": "newest"}))


DAMAGES = (truncated, flipped, empty, foreign, text, folder, future, without_rows, without_facts)


@pytest.mark.parametrize("damage", [*DAMAGES, of_another_protocol, of_no_protocol], ids=lambda f: f.__name__)
@pytest.mark.parametrize("indexed", [False, True], ids=["first board", "after a whole one"])
def test_a_result_that_cannot_be_used_is_named_and_the_others_are_shown(
    tmp_path, damage, indexed, monkeypatch
):
    written(tmp_path, "k1", "a")
    path, _ = written(tmp_path, "k2", "b")
    expected = board(tmp_path).frame if indexed else None
    damage(path, monkeypatch)
    for _ in range(2):
        made = board(tmp_path)
        assert tasks(made) == ["a"]
        (line,) = made.skipped
        assert path.name in line
        assert "\n" not in line
        if expected is not None:
            pd.testing.assert_frame_equal(made.frame, expected[expected["task"] == "a"])


def test_results_that_have_changed_places_are_both_named(tmp_path):
    written(tmp_path, "k1", "a")
    two, three = (written(tmp_path, f"k{number}", "bc"[number - 2])[0] for number in (2, 3))
    board(tmp_path)
    aside = two.rename(tmp_path / "aside")
    three.rename(two)
    aside.rename(three)
    made = board(tmp_path)
    assert tasks(made) == ["a"]
    assert len(made.skipped) == 2
    assert all("not the one that its name says" in line for line in made.skipped)


def test_a_cell_in_two_files_stands_once(tmp_path):
    path, _ = written(tmp_path, "k1", "b")
    (tmp_path / "a.other.k1.parquet").write_bytes(path.read_bytes())
    made = board(tmp_path)
    assert len(made.frame) == 2
    (line,) = made.skipped
    assert "holds the same cell as" in line
    assert path.name in line


@pytest.mark.parametrize("damage", [truncated, flipped, empty, text, foreign], ids=lambda f: f.__name__)
def test_attacks_that_cannot_be_read_are_named_and_flagged(tmp_path, damage, monkeypatch):
    with_attacks(tmp_path, "k1", "a")
    path = with_attacks(tmp_path, "k2", "b")
    damage(path_beside(path, "attacks"), monkeypatch)
    for _ in range(2):
        made = board(tmp_path)
        rows = made.frame.set_index("task")
        assert rows.loc["a", "mis_bound"].notna().any()
        assert rows.loc["b", "mis_bound"].isna().all()
        assert rows.loc["b", "flags"].str.contains("attacks could not be read").all()
        (line,) = made.skipped
        assert f"attacks/{path.name}" in line
        assert made.lost == {"k2": ("attacks",)}


def test_attacks_that_have_changed_places_are_named(tmp_path):
    one, two = (
        path_beside(with_attacks(tmp_path, key, task), "attacks") for key, task in (("k1", "a"), ("k2", "b"))
    )
    aside = one.rename(tmp_path / "aside")
    two.rename(one)
    aside.rename(two)
    made = board(tmp_path)
    assert made.frame["mis_bound"].isna().all()
    assert len(made.skipped) == 2
    assert all("belongs to another result" in line for line in made.skipped)


def test_protocols_are_not_mixed(tmp_path, monkeypatch):
    written(tmp_path, "k1", "a")
    path, _ = written(tmp_path, "k2", "b")
    of_another_protocol(path, monkeypatch)
    assert tasks(board(tmp_path)) == ["a"]
    other = board(tmp_path, protocol=2)
    assert tasks(other) == ["b"]
    assert "protocol 1" in other.skipped[0]
    assert other.protocol == 2


def test_quantizers_are_built_in_unless_somebody_says_otherwise(tmp_path):
    written(tmp_path, "k1", "a")
    made = board(tmp_path, sources={"good": Source("lab/good", "A. Chemist", "verified")})
    rows = made.frame.set_index("quantizer")
    assert rows.loc["good", ["source", "author", "verified"]].tolist() == [
        "lab/good",
        "A. Chemist",
        "verified",
    ]
    assert rows.loc["float32", ["source", "author", "verified"]].tolist() == ["built-in", "", ""]
    assert made.entries.set_index("quantizer").loc["good", "author"] == "A. Chemist"


def test_everything_follows_from_the_frame(tmp_path):
    written(tmp_path, "k1", "a")
    written(tmp_path, "k2", "b")
    made = board(str(tmp_path))
    assert set(made.entries["quantizer"]) == {"float32", "good"}
    assert len(made.wide) == 2
    assert len(made.wins) == 2
    matrix = made.win_matrix()
    assert matrix.loc[("head", "good"), "float32"] == 1
    assert np.isnan(matrix.loc[("head", "good"), "good"])
    assert made.win_matrix("performance").loc[("head", "good"), "float32"] == 0
    with pytest.raises(UnknownNameError, match="objective"):
        made.win_matrix("speed")
    assert made.history.empty
    assert "Protocol 1. 4 rows of 2 cells on 2 tasks." in made.rules
    assert "4 rows counted" in made.rules


def test_a_stronger_attack_lowers_an_entry_and_the_history_says_so(tmp_path):
    path = with_attacks(tmp_path, "k1", "a")
    before = board(tmp_path).frame.set_index("quantizer")["mis_bound"]
    found = attacked()
    stronger = found.attacks.assign(advantage=found.attacks["advantage"] + 0.2)  # type: ignore[union-attr]
    _, made = written(tmp_path / "aside", "k1", "a")
    write_cell(path, replace(found, attacks=stronger, facts=found.facts | made.facts))
    later = board(tmp_path)
    now = later.frame.set_index("quantizer")["mis_bound"]
    np.testing.assert_allclose(now.dropna(), before.dropna() - 0.2)
    told = later.history
    assert set(told["what"]) == {"attacks"} or set(told["what"]) == {"attacks", "rows"}
    of_attacks = told[told["what"] == "attacks"].set_index("quantizer")
    np.testing.assert_allclose(of_attacks["mis_bound_before"], before[of_attacks.index])
    np.testing.assert_allclose(of_attacks["mis_bound_now"], now[of_attacks.index])
    assert (tmp_path / of_attacks["file"].iloc[0]).is_file()


def test_history_leaves_out_what_still_stands_and_tells_of_what_was_damaged(tmp_path):
    path = with_attacks(tmp_path, "k1", "a")
    folder = tmp_path / HISTORY / "attacks"
    folder.mkdir(parents=True, exist_ok=True)
    still = folder / f"{path.stem}.20260101T000000Z.{'0' * 16}.parquet"
    still.write_bytes(path_beside(path, "attacks").read_bytes())  # killed before the new one was written
    assert board(tmp_path).history["what"].tolist().count("attacks") == 0
    still.write_bytes(b"damaged before it was replaced")
    told = board(tmp_path).history
    assert told.loc[told["what"] == "attacks", "quantizer"].tolist() == [""]
    assert told.loc[told["what"] == "attacks", "replaced"].tolist() == [pd.Timestamp("2026-01-01", tz="UTC")]
    other = folder / f"b.e.4-runs.seed-0.k9.20260101T000000Z.{'0' * 16}.parquet"
    other.write_bytes(b"of a cell that is not on the board")
    assert len(board(tmp_path).history) == len(told)


def test_what_counts_nowhere_is_on_no_front(tmp_path):
    written(tmp_path, "k1", "a")
    told = {"good": Source("good", "A", "mismatching")}
    before, after = board(tmp_path).frame, board(tmp_path, sources=told).frame
    assert before["pareto"].any()
    assert before["pareto"].dtype == after["pareto"].dtype == bool
    assert set(after["status"]) == {"mismatching"}
    assert not after["pareto"].any()
