"""The page as a file: nothing in it runs but its own script, and it holds every digit of the tables."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from leaderboard.page import Contents
from leaderboard.page.frames import embedded, json_text
from leaderboard.page.shown import nobody
from leaderboard.page.zoo import described
from models.quantizers.base import QUANTIZERS
from models.quantizers.ternary import Ternary
from tests.leaderboard.page_board import BREAKS_OUT, SCRIPT, hostile, text_of

VOID = {"meta", "link", "input", "br"}


class Elements(HTMLParser):
    """Every element with its attributes and text, the tree checked on the way."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, list[str]]] = []
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        assert len(attributes) == len(dict(attributes)), tag
        self.found.append((tag, dict(attributes), []))
        if tag not in VOID:
            self.open.append((tag, self.found[-1][2]))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.open[-1][1].append(data)

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.found if name == tag]


@pytest.fixture(scope="module")
def board() -> Contents:
    return hostile()


def data_of_file(text: str) -> pd.DataFrame:
    """Return the long table of a page."""
    pieces = data_of(Elements(text))
    return read_again(json.loads(pieces["meta"])["tables"]["long"], pieces)


@pytest.fixture(scope="module")
def text(board) -> str:
    return text_of(board)


@pytest.fixture(scope="module")
def parsed(text) -> Elements:
    return Elements(text)


def data_of(parsed: Elements) -> dict[str, str]:
    return {str(attributes["id"]): text for attributes, text in parsed.of("script") if "id" in attributes}


def test_it_is_one_tree_with_ids_of_their_own(text, parsed):
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes, _ in parsed.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = [
        attributes["aria-labelledby"] for _, attributes, _ in parsed.found if "aria-labelledby" in attributes
    ]
    assert set(labelled) - {"detail-title"} <= set(ids)  # the title of the detail comes with it
    assert len(parsed.of("h1")) == len(parsed.of("main")) == len(parsed.of("title")) == 1


def test_nothing_is_fetched_and_only_the_own_script_runs(parsed):
    policy = next(
        a["content"] for a, _ in parsed.of("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    (script,) = [content for attributes, content in parsed.of("script") if "type" not in attributes]
    ((_, style),) = parsed.of("style")

    def named(content: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"

    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == named(script)
    assert rules["style-src"] == named(style)
    for _, attributes, _ in parsed.found:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("style", "src", "action")
        ]
    links = [attributes.get("href") for _, attributes, _ in parsed.found if "href" in attributes]
    assert all(str(link).startswith(("#", "data:,")) for link in links)
    kinds = {attributes.get("type") for attributes, _ in parsed.of("script")}
    assert kinds == {None, "application/json", "text/plain"}
    assert "innerHTML" not in script
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", script + style)


def test_text_of_a_submission_is_text(parsed):
    meta = json.loads(data_of(parsed)["meta"])
    names = next(c for c in meta["tables"]["entries"]["columns"] if c["name"] == "quantizer")["values"]
    assert {SCRIPT, BREAKS_OUT} <= set(names)
    assert parsed.of("b") + parsed.of("img") == []
    assert [text for _, text in parsed.of("li") if SCRIPT in text] == [f"no {SCRIPT}"]


def test_json_within_a_script_element_cannot_close_it():
    said = json_text([BREAKS_OUT, "<script", "]]>", "\ud800"])
    assert not set("<>&\u2028") & set(said)
    assert json.loads(said) == [BREAKS_OUT, "<script", "]]>", "\ud800"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text(float("nan"))


def read_again(layout: dict, pieces: dict[str, str]) -> pd.DataFrame:
    """Read a frame as the page does, by another hand."""

    def array(name: str, kind: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(pieces[name]), dtype=kind)

    columns = {}
    for told in layout["columns"]:
        values = (
            np.array(told["values"], dtype=object)
            if told["kind"] == "text"
            else array(told["numbers"], "<f8")
        )
        if "codes" in told:
            codes = array(told["codes"], f"<u{told['bits'] // 8}").astype(int)
            known = codes != 2 ** told["bits"] - 1
            made = np.full(len(codes), None if told["kind"] == "text" else np.nan, dtype=values.dtype)
            made[known] = values[codes[known]]
            values = made
        columns[told["name"]] = pd.Series(values, dtype=values.dtype)
    return pd.DataFrame(columns)


@pytest.mark.parametrize("name", ["long", "entries", "wins"])
def test_the_tables_are_in_it_bit_for_bit(name, board, parsed):
    pieces, frame = data_of(parsed), getattr(board, name)
    found = read_again(json.loads(pieces["meta"])["tables"][name], pieces)
    assert list(found) == list(frame)
    for column in frame:
        expected = frame[column]
        if found[column].dtype == np.float64:
            numbers = expected.to_numpy(dtype=np.float64, na_value=np.nan)
            np.testing.assert_array_equal(found[column].to_numpy(), numbers, err_msg=column)
            zero = numbers == 0
            assert (np.signbit(found[column].to_numpy()[zero]) == np.signbit(numbers[zero])).all()
        else:
            assert found[column].tolist() == expected.astype(object).where(expected.notna(), None).tolist(), (
                column
            )


def test_columns_of_every_kind():
    frame = pd.DataFrame(
        {
            "many": np.arange(70_000) + 0.5, "one": 1.0, "codes": [f"n{i}" for i in range(70_000)],
            "big": 2**60 + 1,
            "flag": pd.array([True, pd.NA] * 35_000, dtype="boolean"), "none": [None, "x"] * 35_000,
            "eight": pd.Series(np.arange(70_000) % 255), "just": pd.Series(np.arange(70_000) % 256),
        }
    )  # fmt: skip
    layout, pieces = embedded("x", frame)
    kept = dict(pieces)
    found = read_again(layout, kept)
    told = {each["name"]: each for each in layout["columns"]}
    assert [told[name].get("bits") for name in ("many", "one", "codes", "eight", "just")] == [
        None,
        8,
        32,
        8,
        16,
    ]
    assert told["big"]["kind"] == "text"
    assert found["big"].unique().tolist() == [str(2**60 + 1)]
    assert found["none"].tolist() == [None, "x"] * 35_000
    np.testing.assert_array_equal(found["flag"], [1.0, np.nan] * 35_000)
    for name in ("many", "one", "codes", "eight", "just"):
        assert found[name].tolist() == frame[name].tolist(), name
    assert len(kept["x-1-c"]) < 100_000  # a byte a row


def test_an_empty_table_has_its_columns():
    layout, pieces = embedded(
        "x", pd.DataFrame({"a": pd.Series(dtype="float64"), "b": pd.Series(dtype="str")})
    )
    assert read_again(layout, dict(pieces)).shape == (0, 2)


def test_size_grows_with_the_tables_alone():
    small, large = len(text_of(hostile(8))), len(text_of(hostile(40)))
    assert small < 400_000
    per_row = (large - small) / (14 * 32)
    assert per_row < 1000  # 70 figures of 8 bytes in base64, and what is text


def test_cells_that_count_for_nobody(board):
    cells = board.long["cell"].unique()
    long = board.long.assign(status="counted")
    assert nobody(long) == []
    long.loc[long["cell"] == cells[0], "status"] = "confounded"
    part = (long["cell"] == cells[5]) & long["quantizer"].isin(["sign", "uniform-4"])
    long.loc[part, "status"] = "confounded"
    long.loc[(long["cell"] == cells[6]) & (long["quantizer"] == "sign"), "status"] = "degenerate"
    long.loc[long["cell"] == cells[7], ["status", "task"]] = ["float32 without skill", SCRIPT]
    without, confounded = nobody(long)
    assert (without.status, without.count) == ("float32 without skill", 1)
    address = "#" + urlencode({"task": SCRIPT, "cell": cells[7]})
    assert without.cells == ((f"{SCRIPT} · encoder-3 · random · seed 0 · 16 runs", address),)
    assert (confounded.status, confounded.count) == ("confounded", 2)
    assert [title.partition(" (")[2] for title, _ in confounded.cells] == ["", "2 of its 14 quantizers)"]
    parsed = Elements(text_of(replace(board, long=long)))
    assert {address} < {attributes["href"] for attributes, _ in parsed.of("a")}
    assert nobody(long.assign(status="outdated")) == []


def test_of_many_cells_that_count_for_nobody_some_are_named(board):
    long = pd.concat([board.long] * 300, keys=range(300), names=["part"]).reset_index("part")
    long = long.assign(setting=long["setting"] + "." + long["part"].astype(str), status="confounded")
    (found,) = nobody(long)
    assert (found.count, len(found.cells)) == (2400, 200)
    assert "and 2,200 more" in text_of(replace(board, long=long))


def test_what_the_zoo_says():
    told = described(["ternary-75", "uniform:bits=7,scale=none", "float32"])
    ternary = told["ternary-75"]
    assert (ternary.formula, ternary.reference) == (Ternary.formula, Ternary.reference)
    weights, values = np.array(ternary.curve).T
    assert sorted(set(values)) == pytest.approx([-0.875, 0, 0.875], abs=0.002)
    assert np.mean(values == 0) == pytest.approx(0.75, abs=0.01)
    assert (np.diff(weights) > 0).all()
    assert "bits=7" in told["uniform:bits=7,scale=none"].configuration
    weights, values = np.array(told["float32"].curve).T
    np.testing.assert_array_equal(weights, values)


def test_every_quantizer_of_the_zoo_has_a_formula_and_a_curve():
    for name, told in described(QUANTIZERS).items():
        assert told.formula
        assert told.reference
        assert told.curve or told.remark, name


def test_a_name_runs_nothing(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    names = [str(file), f"{file}:function", "uniform:bits=nonsense", "uniform:", "nobody", "", BREAKS_OUT]
    told = described(names)
    assert {each.formula for each in told.values()} == {""}
    assert all("Not of the zoo" in each.remark for each in told.values())
    assert not (tmp_path / "ran").exists()


def test_a_submission_is_not_described_by_the_zoo(board):
    own = board.entries.assign(source="somebody")
    parsed = Elements(text_of(Contents(board.long, own, board.wins)))
    assert json.loads(data_of(parsed)["meta"])["zoo"] == {}
