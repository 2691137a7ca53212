"""Quantizers from a file: what is found, what it is called, and every mistake in one line."""

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from models.quantizers import user_file
from models.quantizers.contract import check
from models.quantizers.sign import Sign
from models.quantizers.zoo import resolve, split_names
from molecules.errors import MolmisError

ROOT = Path(__file__).resolve().parents[3]
FUNCTION = """
BITS = 1
SCALED = True
def signs(w):
    return abs(w).mean(dtype="f8").astype("f4") * (2.0 * (w >= 0) - 1)
"""
COMMAND = [sys.executable, "-m", "models.quantizers"]


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_function_of_one_matrix_is_a_quantizer(tmp_path):
    ((name, quantizer),) = resolve([written(tmp_path, FUNCTION)]).items()
    assert name == "mine"
    assert quantizer.bits == 1
    assert check(quantizer) == []
    weight = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(quantizer.quantize(weight).dequantize(), Sign().quantize(weight).dequantize())


def test_levels_and_codes_instances_and_classes_are_found_and_picked(tmp_path):
    path = written(
        tmp_path,
        "import numpy as np\nfrom dataclasses import dataclass\nfrom models.quantizers.sign import Sign\n"
        "BITS = 1\ndef both(w):\n    return np.array([-1.0, 1.0]), (w >= 0).astype(int)\n"
        "@dataclass(frozen=True)\nclass Mine(Sign):\n    pass\nplain = Sign('none')\n_hidden = Sign()\n",
    )
    found = resolve([path])
    assert set(found) == {"mine:both", "mine:Mine", "mine:plain"}
    weight = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    values = found["mine:both"].quantize(weight).dequantize()
    torch.testing.assert_close(values, found["mine:plain"].quantize(weight).dequantize())
    assert list(resolve([f"{path}:plain"])) == ["mine"]
    assert list(resolve(split_names(f"sign,{path}:plain"))) == ["sign", "mine"]


def test_a_changed_file_is_another_quantizer(tmp_path):
    first = next(iter(resolve([written(tmp_path, FUNCTION)]).values()))
    second = next(iter(resolve([written(tmp_path, FUNCTION.replace("2.0", "3.0"))]).values()))
    assert first.identity() != second.identity()
    assert not np.array_equal(*(q.quantize(torch.eye(3)).dequantize() for q in (first, second)))


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (None, "mine.py", "is not there; give the path"),
        ("def f(:\n", "mine.py", "line 1: SyntaxError"),
        ("x = 1\nraise RuntimeError('no')\n", "mine.py", "line 2: RuntimeError: no"),
        ("import sys\nsys.exit(0)\n", "mine.py", "line 2: SystemExit"),
        ("x = 1\n", "mine.py", "holds none; write a function"),
        ("def f(w):\n    return w\n", "mine.py", "write BITS"),
        (FUNCTION, "sign.py", "sign is a name of the zoo"),
        (
            "from dataclasses import dataclass\nfrom models.quantizers.uniform import Uniform\n"
            "@dataclass(frozen=True)\nclass Mine(Uniform):\n    pass\n",
            "mine.py",
            "Mine needs parameters",
        ),
    ],
)
def test_mistakes_are_told(tmp_path, text, name, said):
    path = str(tmp_path / name) if text is None else written(tmp_path, text, name)
    with pytest.raises(MolmisError, match=re.escape(said)):
        resolve([path])


def test_a_name_that_the_file_does_not_hold(tmp_path):
    with pytest.raises(MolmisError, match="holds signs, not 'sings'"):
        resolve([written(tmp_path, FUNCTION) + ":sings"])


def test_installed_quantizers_go_by_their_name(monkeypatch):
    points = {
        "theirs": EntryPoint("theirs", "models.quantizers.sign:Sign", user_file.ENTRY_POINTS),
        "broken": EntryPoint("broken", "models.no_such_module:x", user_file.ENTRY_POINTS),
        "text": EntryPoint("text", "models.quantizers.zoo:PAPER", user_file.ENTRY_POINTS),
    }
    monkeypatch.setattr(user_file, "installed", lambda: points)
    assert resolve(["theirs"]) == {"theirs": Sign()}
    for name, said in (("broken", "ModuleNotFoundError"), ("text", "neither a quantizer nor a function")):
        with pytest.raises(MolmisError, match=said):
            resolve([name])


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=120
    )


def test_check_reports_and_refuses(tmp_path):
    good = run("check", written(tmp_path, FUNCTION))
    assert good.returncode == 0, good.stderr
    assert "mine may be used" in good.stdout
    assert "1,000,000 normal weights: relative error 0.60" in good.stdout
    bad = run("check", written(tmp_path, "BITS = 1\ndef same(w):\n    return w\n", "bad.py"))
    assert bad.returncode == 2
    assert "uses 960 levels" in bad.stdout
    assert "bad must not be used" in bad.stdout
    unknown = run("check", "sing")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: unknown quantizer 'sing'; nearest: sign")


def test_the_page_is_what_the_code_makes():
    from models.quantizers.page import page

    assert (ROOT / "docs" / "quantizers.md").read_text() == page()


def test_the_list_holds_every_row():
    from models.quantizers import QUANTIZERS

    shown = run("list")
    assert shown.returncode == 0
    assert all(name[:8] in shown.stdout for name in QUANTIZERS)
