"""Every registered quantizer keeps the contract; quantizers made to break it are caught."""

from dataclasses import dataclass, replace

import pytest
import torch

from models.quantizers.base import QUANTIZERS, Quantizer
from models.quantizers.contract import CHECKS, FLAGS, check
from models.quantizers.quantized import Grid
from models.quantizers.sign import Sign
from models.quantizers.uniform import Uniform


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_registered_quantizer_keeps_the_contract(name):
    assert [finding for finding in check(QUANTIZERS[name]) if finding.refused] == []


@pytest.mark.parametrize("name", list(QUANTIZERS))
def test_registered_quantizer_is_documented(name):
    quantizer = QUANTIZERS[name]
    assert quantizer.formula
    assert quantizer.reference
    assert "Quantizer" not in type(quantizer).__doc__.split("\n")[0]  # a docstring of its own
    assert set(quantizer.exceptions) <= set(CHECKS)
    assert all(quantizer.exceptions.values())
    assert hash(quantizer) == hash(replace(quantizer))


def test_a_grid_too_wide_for_small_weights_and_the_constant_are_flagged():
    flagged = {name for name, quantizer in QUANTIZERS.items() if check(quantizer)}
    assert flagged == {"uniform-2-unscaled", "constant"}


@dataclass(frozen=True)
class Broken(Quantizer):
    """A sign quantizer with one thing wrong."""

    fault: str
    formula = "broken"
    reference = "none"
    bits = 1.0

    @property
    def adaptive(self):
        return self.fault == "scale"

    def quantize(self, weight):
        if self.fault == "raises":
            raise KeyError("weight")
        if self.fault == "levels":
            return Uniform(3).quantize(weight)
        if self.fault == "refuses":
            weight = torch.nan_to_num(weight)
        good = Sign().quantize(weight)
        if self.fault == "large" and weight.numel() == 10**6:
            return replace(good, scale=good.scale * torch.nan)
        if self.fault == "input":
            weight.add_(1)
        return replace(good, **FAULTS.get(self.fault, lambda good: {})(good))


#: What is wrong with the result, by the check that should find it.
FAULTS = {
    "form": lambda good: {"scale": good.scale / 0},
    "deterministic": lambda good: {"codes": torch.randint(0, 2, good.codes.shape, dtype=torch.uint8)},
    "vectorised": lambda good: {"scale": good.scale.mean().expand_as(good.scale)},
    "idempotent": lambda good: {"scale": good.scale / 2},
    "scale": lambda good: {"scale": torch.ones_like(good.scale)},
    "degenerate": lambda good: {"codes": torch.zeros_like(good.codes)},
}


@pytest.mark.parametrize("fault", list(CHECKS))
def test_each_check_finds_its_fault(fault):
    findings = {finding.check: finding for finding in check(Broken(fault))}
    assert fault in findings
    assert findings[fault].refused == (fault not in FLAGS)
    assert "\n" not in findings[fault].message


def test_a_quantizer_that_raises_is_a_finding_of_every_check():
    findings = check(Broken("raises"))
    assert {finding.check for finding in findings} == set(CHECKS) - {"scale"}  # it claims no scale
    assert "KeyError" in findings[0].message


def test_a_declared_exception_leaves_the_check_out():
    @dataclass(frozen=True)
    class Declared(Broken):
        exceptions = {"idempotent": "the scale is halved each time"}  # noqa: RUF012

    assert check(Declared("idempotent")) == []


def test_codes_outside_the_levels_are_refused():
    @dataclass(frozen=True)
    class Outside(Broken):
        def quantize(self, weight):
            good = Sign().quantize(weight)
            return Grid(good.codes.long() - 2, good.levels, good.scale)  # negative indices wrap around

    assert "levels" in {finding.check for finding in check(Outside("none"))}
