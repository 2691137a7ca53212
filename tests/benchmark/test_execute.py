"""From settings to a stored result: what is refused, what is said of a result."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from benchmark import plan
from benchmark.execute import Settings, measure
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator_name import Indicator
from benchmark.results import read_cell, write_cell
from benchmark.summaries import read_summary, summary_key
from benchmark.tables import summarise
from models.heads import HeadConfig
from models.quantizers.base import QUANTIZERS, Quantizer, unit_scale
from models.quantizers.quantized import Grid, Quantized
from molecules.errors import MolmisError
from tasks.task import DataOptions, Kind, RawRecords, Task
from tests.listener import Listener

HEAD = HeadConfig(hidden=(6,), epochs=2)


def task(targets: int = 1, kind: Kind = Kind.REGRESSION) -> Task:
    rng = np.random.default_rng(0)
    smiles = ["C" * i + "O" for i in range(1, 121)]
    labels = rng.normal(size=(120, targets))
    if kind is Kind.CLASSIFICATION:
        labels = (labels > 0).astype(float)
        labels[:, 1:] = 0
        labels[0, 1:] = 1
    names = tuple(f"y{number}" for number in range(targets))
    raw = RawRecords(smiles, labels, names, kind, "nowhere", "0")
    return Task("toy", kind, names, "toy", "none", "none", load=lambda task, options: raw)


@pytest.fixture
def settings(tmp_path):
    return lambda *names: Settings("ecfp", names, 2, results=tmp_path / "results", head=HEAD, device="cpu")


@dataclass(frozen=True)
class Broken(Quantizer):
    """Adds what was never there."""

    bits: float = 1
    formula = "w + 1"
    reference = "none"

    def quantize(self, weight: Tensor) -> Quantized:
        """Return more levels than a bit can tell apart."""
        codes = torch.arange(weight.numel()).reshape(weight.shape) % 16
        return Grid(codes, torch.arange(16.0), unit_scale(weight))


def test_a_measured_cell_has_its_summary(settings, own_cache):
    asked = settings("sign")
    measured = measure(task(), DataOptions(), asked)
    (path,) = (asked.results / "summaries" / "mean.membership").iterdir()
    stored = read_summary(path, summary_key(Aggregate.MEAN, Indicator.MEMBERSHIP))
    assert stored is not None
    pd.testing.assert_series_equal(stored.table["r"], summarise(measured)["r"])
    assert stored.table["protocol_version"].tolist() == [1, 1]
    assert stored.table["measured"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()


def test_facts_say_what_the_figures_depend_on(settings, own_cache):
    facts = measure(task(), DataOptions(), settings("sign")).facts
    assert facts["quantizers"].keys() == {"float32", "sign"}
    assert facts["quantizer_flags"] == {}
    assert facts["performance_unit"] == "label"
    assert facts["unscored"] == []
    assert facts["device"] == "cpu"
    several = measure(task(targets=2), DataOptions(), settings("sign")).facts
    assert several["performance_unit"] == "standard deviations"


def test_targets_that_the_test_set_cannot_score_are_named(settings, own_cache):
    made = measure(task(targets=2, kind=Kind.CLASSIFICATION), DataOptions(), settings("sign"))
    assert made.facts["unscored"] == ["y1"]


def test_flags_of_the_contract_are_carried(settings, own_cache):
    facts = measure(task(), DataOptions(), settings("uniform-2-unscaled")).facts
    (said,) = facts["quantizer_flags"]["uniform-2-unscaled"]
    assert "single level" in said


def test_a_quantizer_that_breaks_the_contract_is_refused_before_anything_is_loaded(settings, monkeypatch):
    monkeypatch.setitem(QUANTIZERS._members, "broken", Broken())
    listener = Listener()
    with pytest.raises(MolmisError, match="quantizer broken breaks the contract"):
        measure(task(), DataOptions(), settings("broken"), listener)
    assert listener.notes == []


@pytest.mark.parametrize("given", [(), ("",), (" , ",)])
def test_no_quantizer_is_refused(given, settings):
    with pytest.raises(MolmisError, match="--quantizers names none"):
        measure(task(), DataOptions(), settings(*given))


def test_a_stored_result_of_other_quantizers_is_measured_again(settings, own_cache):
    first = measure(task(), DataOptions(), settings("sign"))
    (path,) = (settings("sign").results).glob("*.parquet")
    forged = first.rows.replace({"quantizer": {"sign": "stranger"}}).assign(rate=0.0)
    facts = {**first.facts, "quantizers": {"float32": "", "stranger": ""}}
    write_cell(path, replace(first, rows=forged, facts=facts))
    listener = Listener()
    again = measure(task(), DataOptions(), settings("sign"), listener)  # type: ignore[arg-type]
    assert any("does not hold the quantizers of this cell" in note for note in listener.notes)
    pd.testing.assert_frame_equal(again.rows, first.rows)
    pd.testing.assert_frame_equal(read_cell(path).rows, first.rows, check_dtype=False)


def test_a_quantizer_of_the_users_own_is_told(settings, own_cache, tmp_path):
    (tmp_path / "mine.py").write_text("BITS = 1\n\n\ndef quantize(matrix):\n    return (matrix > 0) - 0.5\n")
    asked = settings("sign", str(tmp_path / "mine.py"))
    found = measure(task(), DataOptions(), asked)
    assert found.facts["own_quantizers"] == ["mine"]


def test_attacks_are_added_to_a_result_and_kept(settings, own_cache):
    without = measure(task(), DataOptions(), replace(settings("sign"), runs=8, attacks=False))
    assert without.attacks is None
    listener = Listener()
    attacked = measure(task(), DataOptions(), replace(settings("sign"), runs=8), listener)  # type: ignore[arg-type]
    assert attacked.attacks is not None
    assert set(attacked.attacks["quantizer"]) == {"float32", "sign"}
    assert attacked.joint_release is not None
    assert set(attacked.joint_release["release"]) == {"float32", "float32 + sign", "all"}
    assert not any("trained" in note and "missing" in note for note in listener.notes)
    pd.testing.assert_frame_equal(attacked.rows, without.rows)
    listener = Listener()
    again = measure(task(), DataOptions(), replace(settings("sign"), runs=8), listener)  # type: ignore[arg-type]
    assert any("results: reused" in note for note in listener.notes)
    pd.testing.assert_frame_equal(again.attacks, attacked.attacks, check_dtype=False)


@pytest.mark.parametrize("version", ["ATTACKS_VERSION", "RECORDS_VERSION", "JOINT_RELEASE_VERSION"])
def test_attacks_of_another_version_are_tried_again(version, settings, own_cache, monkeypatch):
    chosen = replace(settings("sign"), runs=8)
    measure(task(), DataOptions(), chosen)
    monkeypatch.setattr(plan, version, 99)
    listener = Listener()
    found = measure(task(), DataOptions(), chosen, listener)  # type: ignore[arg-type]
    assert any("results: wrote" in note for note in listener.notes)
    assert found.attacks is not None


def test_more_labels_are_attacked_label_by_label(settings, own_cache):
    found = measure(task(2, Kind.CLASSIFICATION), DataOptions(), replace(settings("sign"), runs=8)).attacks
    assert found is not None
    assert (found.loc[found["attack"] == "lira-online-fixed", "reason"] == "").all()
