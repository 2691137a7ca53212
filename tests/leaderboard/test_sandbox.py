"""Honest submissions: what comes back is what the same file gives without the sandbox."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmark.execute import measure
from leaderboard.sandbox import Containment, Limits, SandboxedQuantizer, SandboxError, admit, sandboxed
from models.quantizers.base import QUANTIZERS
from models.quantizers.contract import check
from models.quantizers.user_file import from_file
from molecules.errors import MolmisError
from tasks.task import DataOptions
from tests.benchmark.test_execute import settings, task  # noqa: F401
from tests.leaderboard.sandbox_help import BOTH, TERCILES, children, written

ROUND = """
import numpy as np

BITS = 2


def quantize(matrix):
    most = np.abs(matrix).max()
    return most * np.round(matrix / most) if most else matrix
"""

ROWS = """
from dataclasses import dataclass

import torch

from models.quantizers.base import Quantizer, check_weight
from models.quantizers.quantized import Grid


@dataclass(frozen=True)
class Rows(Quantizer):
    bits: float = 1.0
    scale = "adaptive"
    formula = "sign(w) times the mean of |w| in its row"
    reference = "an example"
    exceptions = {"levels": "it cannot except itself"}

    def quantize(self, weight):
        weight = check_weight(weight)
        scale = weight.abs().mean(-1, keepdim=True)
        return Grid((weight > 0).to(torch.uint8), torch.tensor([-1.0, 1.0]), scale)
"""


def bank() -> torch.Tensor:
    return torch.randn((2, 3, 24, 40), generator=torch.Generator().manual_seed(3)) * 0.1


@pytest.mark.parametrize("containment", BOTH)
@pytest.mark.parametrize("text", [TERCILES, ROUND], ids=["codes", "values"])
def test_a_function_gives_what_it_gives_without_the_sandbox(text, containment, tmp_path):
    path = written(tmp_path, text)
    (plain,) = from_file(str(path)).values()
    with sandboxed(path, containment=containment) as quantizer:
        assert (quantizer.bits, quantizer.adaptive) == (plain.bits, plain.adaptive)
        assert (quantizer.formula, quantizer.reference) == (plain.formula, plain.reference)
        for weight in (bank(), bank()[0, 0], bank()[:0], torch.zeros(2, 3, 4), bank()[..., :1, :1]):
            got, wanted = quantizer.quantize(weight), plain.quantize(weight)
            assert type(got) is type(wanted)
            assert torch.equal(got.codes, wanted.codes)
            assert torch.equal(got.dequantize(), wanted.dequantize())
    told = quantizer.record()
    assert json.loads(json.dumps(told)) == told
    assert told["containment"] == str(containment)
    assert told["repeated"] > 0
    assert told["limits"]["seconds"] == 60
    assert not told["torch"]


@pytest.mark.parametrize("containment", BOTH)
def test_a_class_gives_what_it_gives_without_the_sandbox(containment, tmp_path):
    path = written(tmp_path, ROWS, "rows.py")
    plain = from_file(str(path))["rows"]
    with closing(sandboxed(path, containment=containment)) as quantizer:
        got, wanted = quantizer.quantize(bank()), plain.quantize(bank())
        assert type(got) is type(wanted)
        assert torch.equal(got.codes, wanted.codes)
        assert torch.equal(got.dequantize(), wanted.dequantize())
        assert torch.equal(got.side_bytes(), wanted.side_bytes())
        assert quantizer.adaptive
        assert quantizer.exceptions == {}
        assert quantizer.code  # it depends on the zoo


def test_an_honest_file_is_admitted_and_its_flags_are_told(tmp_path):
    with sandboxed(written(tmp_path, TERCILES)) as quantizer:
        assert admit(quantizer) == []
        assert check(quantizer) == []
    rounds = "BITS = 1\n\n\ndef quantize(matrix):\n    return matrix.clip(-1, 1).round()\n"
    with (
        pytest.raises(SandboxError, match="returned a single level for all weights"),
        sandboxed(written(tmp_path, rounds)) as quantizer,
    ):
        admit(quantizer)


def test_a_breach_of_the_contract_is_one_sentence(tmp_path):
    shifts = TERCILES.replace("return np.array(levels)", "return np.array(levels) + 0.1")
    with (
        pytest.raises(SandboxError) as caught,
        sandboxed(written(tmp_path, shifts)) as quantizer,
    ):
        admit(quantizer)
    assert str(caught.value) == (
        "mine.py breaks the contract, form: zero weights do not stay zero although levels are scaled"
    )


def test_the_identity_is_that_of_the_file_and_not_of_the_containment(tmp_path):
    path = written(tmp_path, TERCILES)
    with sandboxed(path, containment=Containment.LIMITS) as one, sandboxed(path) as two:
        assert one.identity() == two.identity()
        assert one == two
    with sandboxed(written(tmp_path, TERCILES + "\n# changed\n")) as other:
        assert other.identity() != one.identity()
    assert " at 0x" not in one.identity()


def test_it_is_shown_one_matrix_at_a_time_in_an_order_that_says_nothing(tmp_path):
    tells = (
        "BITS = 32\ndef quantize(matrix):\n    print(matrix.shape, int(matrix[0, 0]))\n    return matrix\n"
    )
    weight = torch.arange(1.0, 65.0)[:, None, None].repeat(1, 2, 3)
    with sandboxed(written(tmp_path, tells)) as quantizer:
        assert torch.equal(quantizer.quantize(weight).dequantize(), weight)
        quantizer.close()
        words = quantizer.session.output.split(" (2, 3) ")
    numbers = [int(word.removeprefix("(2, 3) ")) for word in words]
    assert sorted(numbers) == list(range(1, 65))
    assert numbers != list(range(1, 65))


def test_the_weights_given_are_copies(tmp_path):
    spoils = "BITS = 1\ndef quantize(matrix):\n    matrix[:] = matrix > 0\n    return matrix\n"
    weight = bank()
    with sandboxed(written(tmp_path, spoils)) as quantizer:
        quantizer.quantize(weight)
    assert torch.equal(weight, bank())


def test_one_of_several_is_chosen_by_its_name(tmp_path):
    several = written(tmp_path, ROUND + "\n\ndef other(matrix):\n    return np.sign(matrix)\n")
    with sandboxed(several, "other") as quantizer:
        assert set(quantizer.quantize(bank()).dequantize().unique().tolist()) == {-1.0, 1.0}
    with pytest.raises(SandboxError, match=r"^mine.py holds no function 'third', but quantize, other"):
        sandboxed(several, "third")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n", "holds no quantizer: write a function def quantize(matrix) while it was loaded"),
        ("def quantize(matrix):\n    pass\n", "does not say how many bits a weight takes"),
        ("BITS = 'few'\n\n\ndef quantize(matrix):\n    pass\n", "says 'few' how many bits a weight takes"),
        ("BITS = 64\n\n\ndef quantize(matrix):\n    pass\n", "says 64.0 bits a weight; more than 0"),
        ("BITS = 1\nNAME = '<b>'\n\n\ndef quantize(matrix):\n    pass\n", "calls itself '<b>'"),
        ("BITS = 1\n\n\ndef quantize(matrix)\n", "raised SyntaxError: expected ':' (line 4)"),
        ("import pandas\n", "raised ModuleNotFoundError: No module named 'pandas' (line 1)"),
    ],
    ids=["none", "bits", "word", "many", "name", "syntax", "import"],
)  # fmt: skip
def test_files_that_are_no_quantizer_are_refused_when_they_are_loaded(text, said, tmp_path):
    running = children()
    with pytest.raises(SandboxError) as caught:
        sandboxed(written(tmp_path, text))
    assert f"mine.py {said}" in str(caught.value)
    assert children() <= running


def test_what_needs_more_than_weights_is_refused(tmp_path):
    placed = ROWS + "\n    def quantize_layer(self, weight, layer):\n        return self.quantize(weight)\n"
    with pytest.raises(SandboxError, match=r"treats layers by their place, and submissions are given single"):
        sandboxed(written(tmp_path, placed))
    reads = ROWS.replace("    bits: float = 1.0", "    calibration = 'training'\n    bits: float = 1.0")
    with pytest.raises(
        SandboxError, match=r"looks at calibration records, and submissions are given weights"
    ):
        sandboxed(written(tmp_path, reads))


def test_all_time_together_is_bounded(tmp_path):
    sleeps = ROUND.replace("    most =", "    time.sleep(0.1)\n    most =").replace(
        "import", "import time\nimport", 1
    )
    with (
        pytest.raises(SandboxError, match=r"took longer than 0.3 s for all matrices"),
        sandboxed(written(tmp_path, sleeps), limits=Limits(total=0.3)) as quantizer,
    ):
        quantizer.quantize(bank())


def test_a_process_near_its_end_is_replaced(tmp_path):
    sleeps = ROUND.replace("    most =", "    time.sleep(0.3)\n    most =").replace(
        "import", "import time\nimport", 1
    )
    with sandboxed(written(tmp_path, sleeps), limits=Limits(processor=1, seconds=30)) as quantizer:
        first = quantizer.session._process
        quantizer.quantize(bank())
        assert quantizer.session._process is not first


def test_another_answer_about_itself_in_a_fresh_process_is_refused(tmp_path):
    turns = TERCILES.replace("BITS = 1.585", "import time\nBITS = 2 + time.time() % 1.0")
    with (
        pytest.raises(SandboxError, match=r"says something else of itself in every process"),
        sandboxed(written(tmp_path, turns)) as quantizer,
    ):
        quantizer.quantize(bank())


def test_limits_are_above_zero():
    with pytest.raises(MolmisError, match="seconds must be above 0, not 0"):
        Limits(seconds=0)


def test_the_benchmark_measures_it_as_any_other(settings, own_cache, tmp_path, monkeypatch):  # noqa: F811
    path = written(tmp_path, TERCILES)
    (plain,) = from_file(str(path)).values()
    rows = {}
    with sandboxed(path) as quantizer:
        for name, member in (("inside", quantizer), ("outside", plain)):
            monkeypatch.setitem(QUANTIZERS._members, "terciles", member)
            chosen = replace(settings("terciles"), results=tmp_path / name, attacks=False)
            rows[name] = measure(task(), DataOptions(), chosen).rows
        assert isinstance(quantizer, SandboxedQuantizer)
        assert quantizer.session.matrices > 0
    sizes = [frame.pop("packed_bytes") for frame in rows.values()]
    assert (sizes[0] - sizes[1]).abs().max() < 64  # the header of a file says how its quantizer is called
    pd.testing.assert_frame_equal(rows["inside"], rows["outside"])
    assert set(rows["inside"]["quantizer"]) == {"float32", "terciles"}


def test_nothing_is_left_where_it_was_started(tmp_path):
    running = children()
    path = written(tmp_path, TERCILES)
    with sandboxed(path) as quantizer:
        quantizer.quantize(bank())
        assert len(children() - running) == 1
    assert children() <= running
    assert list(Path(tmp_path).iterdir()) == [path]
    with pytest.raises(MolmisError, match=r"the sandbox of mine.py is closed"):
        quantizer.quantize(bank())
