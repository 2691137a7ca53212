"""Cells of vectors: the plain indicator on fresh records, the task's own head, no encoder, no split."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.cell_data import cell_data
from benchmark.evaluate_block import evaluate_block
from benchmark.execute import Settings, measure
from benchmark.plan import Cell, Protocol
from benchmark.privacy.indicator_name import Indicator
from benchmark.record_report import record_frame
from benchmark.report import Report
from models.encoders.base import encoder_for
from models.heads import HeadConfig, record_losses
from models.quantizers import QUANTIZERS
from models.train_bank import train_block
from molecules.errors import MolmisError
from tasks.catalogue import get_task, load_records
from tasks.task import FRESH, DataOptions, Kind
from tests.benchmark.test_execute import task as molecular_task
from tests.listener import Listener

HEAD = HeadConfig(hidden=(6, 6), epochs=3)


def cell(name: str) -> Cell:
    task = get_task(name)
    zoo = {n: QUANTIZERS[n] for n in ("float32", "sign")}
    protocol = Protocol(2, FRESH, 0.0, head=HEAD)
    return Cell(task, load_records(task, DataOptions()), encoder_for(task)(), zoo, protocol)


@pytest.mark.parametrize("name", ["gaussian-modes:m=3000,d=8", "gaussian-modes-regression:m=3000,d=8"])
def test_r_is_measured_on_the_fresh_records(name):
    made = cell(name)
    data, vectors = cell_data(made), made.records.vectors
    assert len(data.pool) == 512
    assert (data.members.sum(1) == 256).all()
    np.testing.assert_array_equal(data.test.numpy(), vectors.test.inputs)
    bank = train_block(data.kind, data.pool, data.pool_labels, data.members, HEAD, 0, 0)
    rows = evaluate_block(bank, QUANTIZERS["float32"], data)
    assert rows["records"].tolist() == [3000, 3000]
    for run in range(2):  # the plain way: losses of all candidates on all fresh records at once
        labels = (torch.from_numpy(vectors.fresh.labels) - bank.centre[run]) / bank.spread[run]
        outputs = bank.snapshots[run](torch.from_numpy(vectors.fresh.inputs))
        losses = record_losses(data.kind, outputs, labels).numpy()
        best = losses.mean(1).argmin()
        gaps = np.delete(losses - losses[best], best, axis=0)
        rate = (gaps.mean(1) ** 2 / (2 * gaps.var(1, ddof=1))).min()
        assert rows["rate"][run] == pytest.approx(rate, rel=1e-6)
    elsewhere = evaluate_block(bank, QUANTIZERS["float32"], replace(data, fresh=None, fresh_labels=None))
    assert elsewhere["records"].tolist() == [256, 256]
    assert (elsewhere["rate"] != rows["rate"]).all()
    assert elsewhere["loss_out"].equals(rows["loss_out"])  # the gap is that of the pool either way


def test_the_key_holds_the_vectors():
    made = cell("gaussian-modes:m=300,d=8")
    vectors = made.records.vectors
    other = vectors.inputs.copy()
    other[0, 0] += 1
    moved = replace(vectors.fresh, labels=1 - vectors.fresh.labels)
    changed = (replace(vectors, inputs=other), replace(vectors, fresh=moved))
    keys = {replace(made, records=replace(made.records, vectors=v)).key for v in (vectors, *changed)}
    assert len(keys) == 3


@pytest.fixture
def settings(tmp_path):
    return Settings(None, ["sign"], 16, results=tmp_path / "results", head=HEAD, device="cpu")


def test_the_whole_way(settings):
    listener = Listener()
    name = "gaussian-modes:m=500,d=8,width=5"
    result = measure(get_task(name), DataOptions(), settings, listener)  # type: ignore[arg-type]
    facts = result.facts
    assert facts["task"] == name
    assert (facts["encoder"], facts["split"], facts["test_share"]) == ("none", "fresh", 0)
    assert (facts["pool"], facts["members"], facts["test"], facts["fresh"]) == (512, 256, 10_000, 500)
    assert facts["head"] == {**vars(HEAD), "hidden": (5, 5)}
    assert (
        "512 records drawn; 500 fresh ones for the plain indicator, 10,000 for performance" in listener.notes
    )
    report = Report.of(result)
    assert Report.of(result, indicator=Indicator.PLAIN).table["resolution"].unique() == [1 / 1000]
    assert report.table["lira_auc"].notna().all()
    said = report.markdown()
    assert "10,000 test records (drawn afresh)" in said
    assert "the plain indicator is measured on 500 fresh ones" in said
    assert "molecul" not in said
    records = record_frame(report.runs)
    assert records.groupby("quantizer")["record"].nunique().eq(512).all()
    assert not {"smiles", "scaffold"} & set(records)
    written = report.write(settings.results / "out")
    assert not any(path.name.startswith("most_exposed") for path in written)
    again = Listener()
    measure(get_task(name), DataOptions(), settings, again)  # type: ignore[arg-type]
    assert any("results: reused" in note for note in again.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "ecfp"}, "--encoder ecfp takes molecules, and .* gaussian-modes are vectors; .* none"),
        ({"split": "scaffold"}, "drawn afresh, .* leave out --split"),
        ({"test_share": 0.3}, "drawn afresh, .* --test-share"),
    ],
)
def test_what_fits_molecules_only_is_refused_before_anything_is_drawn(changes, message, settings):
    listener = Listener()
    with pytest.raises(MolmisError, match=message):
        measure(get_task("gaussian-modes"), DataOptions(), replace(settings, **changes), listener)  # type: ignore[arg-type]
    assert listener.notes == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "none"}, "--encoder none takes vectors, and the records of toy are molecules; .* ecfp"),
        ({"encoder": "ecfp", "split": "fresh"}, "unknown split 'fresh'"),
    ],
)
def test_what_fits_vectors_only_is_refused_for_molecules(changes, message, settings):
    with pytest.raises(MolmisError, match=message):
        measure(molecular_task(), DataOptions(), replace(settings, **changes))


def test_molecules_keep_their_usual_encoder_and_head():
    assert encoder_for(molecular_task()).name == "gin"
    assert molecular_task(kind=Kind.CLASSIFICATION).hidden is None


def test_no_encoder_embeds_no_molecules():
    with pytest.raises(MolmisError, match="embeds no molecules"):
        encoder_for(get_task("gaussian-modes"))().encode(["CCO"])
