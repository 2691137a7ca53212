"""Quantizers of one's own: files of a function, of several, of classes; installed packages; mistakes."""

import importlib.metadata
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from benchmark.listing import listing
from models.quantizers import user_file
from models.quantizers.base import FAMILIES, QUANTIZERS, Quantizer
from models.quantizers.contract import check
from models.quantizers.measures import entropy_bits
from models.quantizers.zoo import described, resolve, split_names
from molecules.errors import DataError, MolmisError

SIGN = """
import numpy as np

BITS = 1

def quantize(matrix):
    return np.where(matrix >= 0, 1, -1) * np.abs(matrix).mean(dtype=np.float64)
"""

CODED = """
import numpy as np

BITS, NAME, FORMULA, REFERENCE, SCALED = 1, "my-sign", "s * sgn(w)", "me, 2026", True

def _scale(matrix):
    return np.abs(matrix).mean(dtype=np.float64)

def halves(matrix):
    s = _scale(matrix)
    return np.array([s, -s]), (matrix < 0).astype(int)
"""

SEVERAL = """
import numpy as np
from models.quantizers.user_file import quantizer

NAME = "belongs to none"

@quantizer(bits=1, formula="w's sign")
def one(matrix):
    return np.sign(matrix) + (matrix == 0)

@quantizer(bits=2, name="rounded-2", scaled=False)
def two(matrix):
    return np.clip(np.round(matrix), -1, 1)

def helper(matrix):
    return matrix
"""

CLASS = """
from dataclasses import dataclass
from models.quantizers.base import Quantizer
from models.quantizers.sign import Sign

@dataclass(frozen=True)
class Clipped(Quantizer):
    \"\"\"Signs again.\"\"\"
    formula = "sgn(w)"
    reference = "me"
    bits: float = 1.0

    def quantize(self, weight):
        return Sign().quantize(weight)
"""


@pytest.fixture
def write(tmp_path):
    def written(text: str, name: str = "mine.py") -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return written


@pytest.fixture
def zoo(monkeypatch):
    """The registries as they are, whatever a file adds to them."""
    len(QUANTIZERS), len(FAMILIES)
    monkeypatch.setattr(QUANTIZERS, "_members", dict(QUANTIZERS.items()))
    monkeypatch.setattr(FAMILIES, "_members", dict(FAMILIES.items()))


def test_a_file_of_one_function_is_called_as_the_file(write):
    found = resolve([write(SIGN)])
    assert list(found) == ["mine"]
    assert check(found["mine"]) == []
    weight = torch.randn((2, 4, 5), generator=torch.Generator().manual_seed(0))
    ours = QUANTIZERS["sign"].quantize(weight).dequantize()
    torch.testing.assert_close(found["mine"].quantize(weight).dequantize(), ours, rtol=1e-6, atol=0)


def test_levels_and_codes_and_everything_it_says_of_itself(write):
    (name, quantizer), *_ = resolve([write(CODED)]).items()
    assert (name, quantizer.bits, quantizer.adaptive) == ("my-sign", 1, True)
    assert (quantizer.formula, quantizer.reference) == ("s * sgn(w)", "me, 2026")
    assert check(quantizer) == []
    weight = torch.randn((3, 6, 5), generator=torch.Generator().manual_seed(0))
    found, ours = quantizer.quantize(weight), QUANTIZERS["sign"].quantize(weight)
    assert torch.equal(found.codes, ours.codes)  # levels are brought into ascending order
    torch.testing.assert_close(found.dequantize(), ours.dequantize(), rtol=1e-6, atol=0)
    # a matrix that is another only in its size is the same candidate
    assert torch.equal(quantizer.quantize(weight * 3).codes, found.codes)
    np.testing.assert_allclose(entropy_bits(found) - entropy_bits(ours), 32 / 30)


def test_a_file_of_several(write):
    found = resolve([write(SEVERAL)])
    assert list(found) == ["mine.one", "rounded-2"]
    assert [quantizer.bits for quantizer in found.values()] == [1, 2]
    assert found["mine.one"].formula == "w's sign"
    assert list(resolve([write(SEVERAL) + ":two"])) == ["rounded-2"]
    assert list(resolve([write(SEVERAL) + ":one"])) == ["mine.one"]


def test_a_class_and_an_instance(write):
    (name, quantizer), *_ = resolve([write(CLASS)]).items()
    assert name == "mine"
    assert check(quantizer) == []
    assert "Clipped" in described(quantizer)
    assert list(resolve([write(CLASS + "\nhalf = Clipped(0.5)\n", "b.py")])) == ["b"]  # not the class as well
    both = resolve([write(CLASS + "\nhalf = Clipped(0.5)\nwhole = Clipped(1)\n", "c.py")])
    assert list(both) == ["c.half", "c.whole"]


def test_a_file_that_registers_as_the_zoo_does(write, zoo):
    text = CLASS.replace("@data", '@FAMILIES.register("clipped")\n@data').replace(
        "import Quantizer", "import FAMILIES, QUANTIZERS, Quantizer"
    )
    path = write(text + '\nQUANTIZERS.add("clipped-1", Clipped())\n')
    assert list(resolve([path])) == ["clipped-1"]
    assert list(resolve([path, "clipped-1", "clipped:bits=3"])) == ["clipped-1", "clipped:bits=3.0"]
    with pytest.raises(DataError, match="registered twice"):
        resolve([write(text + '\nQUANTIZERS.add("sign", Clipped())\n')])


def test_it_is_known_by_the_content_of_its_file(write):
    one = resolve([write(SIGN)])["mine"].identity()
    assert resolve([write(SIGN)])["mine"].identity() == one
    assert resolve([write(SIGN.replace("1, -1", "1, -2"))])["mine"].identity() != one  # within one second
    assert resolve([write(SIGN + "# seen\n")])["mine"].identity() != one
    assert " at 0x" not in one


def test_a_file_leaves_nothing_behind(write, tmp_path):
    resolve([write(SIGN)])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_mixed_with_names_in_any_order(write):
    path = write(CODED)
    assert split_names(f"sign,{path}:halves") == ["sign", f"{path}:halves"]
    assert split_names(f"{path} uniform:bits=7,scale=none") == [path, "uniform:bits=7,scale=none"]
    assert list(resolve(split_names(f"{path},paper")))[:2] == ["my-sign", "float32"]
    assert list(resolve(split_names(f"sign,{path},{path}"))) == ["sign", "my-sign"]


def test_a_path_with_blanks(tmp_path):
    folder = tmp_path / "my, own"
    folder.mkdir()
    (folder / "q.py").write_text(SIGN)
    assert list(resolve(split_names(str(folder / "q.py")))) == ["q"]


@pytest.mark.parametrize("name", ["sign", "paper", "ternary", "uniform-4"])
@pytest.mark.parametrize("beside", [["sign"], []])
def test_a_name_of_the_zoo_is_never_taken_over(write, name, beside):
    path = write(CODED.replace("my-sign", name))
    for names in ([path, *beside], [*beside, path]):
        with pytest.raises(MolmisError, match=r"stands for something else.*NAME ="):
            resolve(names)


def test_two_files_of_one_name(write, tmp_path):
    (tmp_path / "b").mkdir()
    first, second = write(SIGN), write(SIGN + "\n", "b/mine.py")
    with pytest.raises(MolmisError, match="called 'mine'"):
        resolve([first, second])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["holds no quantizer", "def quantize(matrix)"]),
        ("def f(m):\n    return m\n", ["f does not say", "BITS = 4"]),
        ("BITS = '4'\ndef f(m):\n    return m\n", ["says '4'", "a number"]),
        ("BITS = True\ndef f(m):\n    return m\n", ["says True"]),
        ("BITS = -1\ndef f(m):\n    return m\n", ["says -1"]),
        (
            "BITS = 1\ndef f(m):\n    return m\ndef g(m):\n    return m\n",
            ["several functions (f, g)", "underscore"],
        ),
        ("BITS = 1\nx = 1/0\n", ["ZeroDivisionError", "line 2"]),
        ("def f(:\n", ["SyntaxError", "line 1"]),
        ("import sys\nsys.exit(3)\n", ["SystemExit", "line 2"]),
        ("import no_such_module\n", ["ModuleNotFoundError", "no_such_module"]),
        ("BITS, NAME = 1, 'a b'\ndef f(m):\n    return m\n", ["'a b'", "letters"]),
        (CLASS.replace("float = 1.0", "float"), ["without arguments", "bits"]),
        (CLASS.replace('    reference = "me"\n', ""), ["lacks reference"]),
        (
            CLASS.replace("@dataclass(frozen=True)", "").replace(": float", ""),
            ["address", "frozen dataclass"],
        ),
    ],
)
def test_mistakes_in_files_are_one_line(write, text, words):
    with pytest.raises(MolmisError) as caught:
        resolve([write(text)])
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in [*words, "mine.py"]), message


def test_no_such_file_and_no_such_member(write):
    with pytest.raises(DataError, match=r"absent\.py cannot be read \(No such file"):
        resolve(["absent.py"])
    with pytest.raises(MolmisError, match="'halve'; nearest: halves"):
        resolve([write(CODED) + ":halve"])
    with pytest.raises(MolmisError, match="neither a function nor a Quantizer"):
        resolve([write(CODED) + ":BITS"])


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("[0., 1.], (m > 0)", "codes must be integers, not bool"),
        ("(m > 0).astype(int), [0., 1.]", "levels must be finite numbers in one row"),
        ("[0., np.nan], (m > 0).astype(int)", "levels must be finite"),
        ("[], (m > 0).astype(int)", "levels must be finite numbers in one row"),
        ("[0., 1.], (m > 0).astype(int) + 1", "codes from 1 to 2 for 2 levels"),
        ("[0., 1.], (m > 0).astype(int)[0]", "codes of shape"),
        ("[0., 1.], (m > 0).astype(int), 3", "returned 3 things"),
        ("([0., 1.], (m > 0).astype(int)) if m[0, 0] > 0 else m", "for some matrices"),
    ],
)
def test_levels_and_codes_that_are_none_are_refused(write, result, said):
    text = f"import numpy as np\nBITS = 8\ndef f(m):\n    return {result}\n"
    (quantizer,) = resolve([write(text)]).values()
    weight = torch.tensor([[[1.0, -1.0], [1.0, 2.0]], [[-1.0, -1.0], [1.0, 2.0]]])
    with pytest.raises(ValueError, match=said):
        quantizer.quantize(weight)
    assert any(finding.refused for finding in check(quantizer))


def test_levels_that_coincide_are_one(write):
    (quantizer,) = resolve([write("BITS = 2\ndef f(m):\n    return [1., 0., 1.], (m > 0) * 2\n")]).values()
    quantized = quantizer.quantize(torch.tensor([[[1.0, 1.0]], [[1.0, -1.0]]]))
    assert quantized.levels.tolist() == [[0, 1], [0, 1]]
    assert quantized.codes.tolist() == [[[1, 1]], [[1, 1]]]


@pytest.fixture
def offered(monkeypatch, tmp_path):
    """Packages that offer what they are told to."""

    def offer(**texts: str) -> None:
        entries = []
        for name, text in texts.items():
            (tmp_path / f"pack_{name}.py").write_text(text)
            entries.append(importlib.metadata.EntryPoint(name, f"pack_{name}:offered", user_file.GROUP))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries if group else [])
        user_file.installed.cache_clear()

    yield offer
    user_file.installed.cache_clear()
    for name in [name for name in sys.modules if name.startswith("pack_")]:
        del sys.modules[name]


def test_installed_packages(offered):
    offered(theirs=SIGN.replace("quantize(", "offered("), other=CLASS + "\noffered = Clipped\n")
    found = resolve(["theirs", "sign", "other"])
    assert list(found) == ["theirs", "sign", "other"]
    assert all(isinstance(quantizer, Quantizer) for quantizer in found.values())
    assert check(found["theirs"]) == []
    with pytest.raises(MolmisError, match="'thers'; nearest: theirs"):
        resolve(["thers"])


def test_packages_that_cannot_be_used(offered):
    offered(sign=SIGN.replace("quantize(", "offered("), broken="x = 1/0\n", none="offered = 3\n")
    with pytest.raises(
        MolmisError, match="stands for something else; give it another: the name of its entry"
    ):
        resolve(["sign"])
    shown = Console(width=200, record=True, file=io.StringIO())
    shown.print(listing("quantizers"))  # the others are listed, and what is broken with its reason
    text = shown.export_text()
    assert "broken" in text
    assert "ZeroDivisionError" in text
    assert "ternary-90" in text
    with pytest.raises(MolmisError, match=r"'broken' of the package .* cannot be loaded: ZeroDivisionError"):
        resolve(["broken"])
    with pytest.raises(MolmisError, match="'none' of the package"):
        resolve(["none"])


def test_the_one_function_of_a_file_has_its_name_however_it_is_named(write):
    path = write("BITS = 1\nNAME = 'mine'\n" + SIGN.split("BITS = 1\n")[-1])
    assert list(resolve([f"{path}:quantize"])) == list(resolve([str(path)])) == ["mine"]


def test_what_fails_is_told_with_the_weights_it_failed_on(write):
    divided = "BITS = 8\ndef f(m):\n    top = abs(m).max()\n    return (m / top * 3).round() / 3 * top\n"
    (quantizer,) = resolve([write(divided)]).values()
    messages = [finding.message for finding in check(quantizer) if finding.check == "form"]
    assert any(message.startswith("zero weights: raised") for message in messages)


def test_the_example_of_the_page_keeps_the_contract(write):
    page = (Path(__file__).resolve().parents[3] / "docs" / "extending.md").read_text()
    example = page.split("```python\n# terciles.py\n")[1].split("```")[0]
    assert len(example.splitlines()) < 30
    (name, quantizer), *_ = resolve([write(example, "terciles.py")]).items()
    assert name == "terciles"
    assert check(quantizer) == []
