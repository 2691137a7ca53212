"""What --list prints is what the registries say, whether it was written down or not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark import listed
from models.encoders.base import ENCODERS
from models.quantizers.library import ROWS
from models.quantizers.zoo import zoo_names


@pytest.fixture(scope="module")
def text():
    """What a fresh process would write: here, other tests may have registered quantizers of their own."""
    code = "from benchmark import listed; print(listed.text(), end='')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_what_is_written_down_is_of_these_sources(text):
    written = Path(listed.__file__).with_suffix(".json").read_text(encoding="utf-8")
    assert written == text, "write it again: python -m benchmark.listed"


def test_everything_is_listed_once(text):
    told = json.loads(text)
    assert listed.listed("encoders") == told["encoders"]
    rows = listed.listed("quantizers")
    assert rows == told["quantizers"]
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    assert set(names) <= {*zoo_names("all"), *zoo_names("libraries")}
    assert {row["name"] for row in rows if row["library"]} == set(ROWS)


@pytest.mark.parametrize("content", ['{"of": "other sources", "encoders": []}', "[]", "no JSON", None])
def test_other_sources_are_asked_themselves(content, tmp_path, monkeypatch):
    path = tmp_path / "listed.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(listed, "_FILE", path)
    assert [row["name"] for row in listed.listed("encoders")] == list(ENCODERS)


def test_what_is_written_down_is_believed_where_it_is_of_these_sources(tmp_path, monkeypatch):
    path = tmp_path / "listed.json"
    path.write_text(json.dumps({"of": listed.sources_key(), "encoders": [{"name": "one", "what": "two"}]}))
    monkeypatch.setattr(listed, "_FILE", path)
    assert listed.listed("encoders") == [{"name": "one", "what": "two"}]


LISTS = [["--list", what] for what in ("tasks", "encoders", "quantizers", "suites")]
HEAVY = {"torch", "rdkit", "deepchem", "torch_geometric", "scipy", "sklearn", "ray"}
CODE = """
import sys

sys.argv = ["run", *sys.argv[1:]]
from benchmark.run import main

try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], *LISTS])
def test_help_and_lists_load_nothing_heavy(arguments):
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True)
    assert done.stdout
    assert not HEAVY & set(done.stderr.split())
