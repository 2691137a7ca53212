"""Cells on a Ray cluster of two node processes: the same table as here, also when one is killed."""

from dataclasses import replace

import pandas as pd
import pytest

from benchmark import suite_run
from benchmark.blocks import BlockStore
from benchmark.cluster_progress import Relay
from benchmark.cluster_tasks import Site
from benchmark.evaluate import EVALUATING, TRAINING
from benchmark.execute import Settings, measure, plan_cell
from benchmark.execution import HERE, Execution, opened
from benchmark.suite_run import Failed, Measured, run_cells
from benchmark.suites import Suite
from benchmark.tables import summarise
from models.heads import HeadConfig
from molecules.cache import cache_dir
from molecules.errors import MolmisError
from molecules.progress import SILENT
from tasks.task import DataOptions, Kind
from tests.benchmark.test_cluster_parts import Counting, same, with_own_quantizer
from tests.benchmark.test_execute import HEAD, task
from tests.listener import Listener

#: Training that takes long enough to kill something in it.
SLOWER = HeadConfig(hidden=(64,), epochs=80, batch_size=8)


class Nodes:
    """A head without processors, and two nodes of one processor each, all of this machine."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        small = {"object_store_memory": 80 * 2**20}
        soon = {"health_check_period_ms": 1000, "health_check_timeout_ms": 1000}  # a dead node is noticed
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": soon, **small}
        self._cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
        self.workers = [self._cluster.add_node(num_cpus=1, **small) for _ in range(2)]
        self.address = self._cluster.address

    def kill(self) -> None:
        self._cluster.remove_node(self.workers.pop(), allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


class OnNodes:
    """What the tests share, because to start the workers takes longest: nodes, and a cache that they see."""

    def __init__(self, folder) -> None:
        self.nodes, self.cache, self.listener = Nodes(), folder / "cache", Counting()
        self.execution = Execution(True, self.nodes.address)
        self.results = folder / "results"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        made = OnNodes(tmp_path_factory.mktemp("cluster"))
        patch.setenv("MOLMIS_CACHE", str(made.cache))
        yield made
        made.nodes.shutdown()


@pytest.fixture(scope="module")
def executor(shared):
    with opened(shared.execution, Settings(results=shared.results), shared.listener) as cluster:
        yield cluster


@pytest.fixture
def there(shared, monkeypatch):
    """What the nodes and the driver share, in the place of this test's own."""
    monkeypatch.setenv("MOLMIS_CACHE", str(shared.cache))
    shared.listener.__init__()
    return shared


@pytest.fixture
def settings(tmp_path, monkeypatch):
    return with_own_quantizer(tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_suite_records_what_fails_and_is_as_it_is_here(executor, there, settings, tmp_path, monkeypatch):
    def known(name):
        if name == "lost":
            raise MolmisError("lost.csv is nowhere")
        return task(kind=Kind.CLASSIFICATION) if name == "other" else task()

    def cells(executor, settings, listener):
        return list(run_cells(suite, DataOptions(), settings, summarise, listener, executor))

    monkeypatch.setattr(suite_run, "get_task", known)
    suite, settings = Suite("toy", ("lost", "whole", "other"), ("ecfp",)), replace(settings, attacks=False)
    listener = there.listener
    found = cells(executor, settings, listener)
    assert [type(cell) for cell in found] == [Failed, Measured, Measured]
    assert found[0] == Failed("lost", "ecfp", "lost.csv is nowhere")
    assert listener.steps == listener.totals
    assert (listener.totals[TRAINING], listener.totals[EVALUATING]) == (2 * 2 * HEAD.epochs, 2 * 2 * 3)
    assert sum(note.startswith("toy · ecfp: results: wrote") for note in listener.notes) == 2
    listener = Listener()
    again = cells(executor, settings, listener)
    assert sum("results: reused" in note for note in listener.notes) == 2
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "other"))
    here = cells(HERE, settings, Listener())
    for one, second, other in zip(found[1:], again[1:], here[1:], strict=True):
        assert one.task == other.task
        pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
        pd.testing.assert_frame_equal(one.table, second.table, check_exact=True, check_dtype=False)


@pytest.mark.slow
def test_a_mistake_that_shows_on_a_worker_is_one_line_here(executor, there, settings):
    wild = replace(settings, head=replace(HEAD, learning_rate=1e30))
    with pytest.raises(MolmisError, match=r"^training diverged") as caught:
        executor.start(task(), DataOptions(), wild)()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_what_a_node_lacks_is_told(executor, there, monkeypatch, tmp_path):
    monkeypatch.setattr(
        executor, "_site", Site(str(there.cache), {str(tmp_path / "x" / "seen"): "--results"}, 1)
    )
    with pytest.raises(MolmisError, match=r"the node .* does not see .*/x \(--results\)"):
        executor._look()
    monkeypatch.setattr(executor, "_execution", Execution(True, cpus=64))
    with pytest.raises(MolmisError, match="no node of the cluster has room for a task of 64 processors"):
        executor._look()


@pytest.mark.slow
def test_a_node_is_killed_and_nothing_is_lost_or_doubled(
    executor, there, settings, tmp_path, monkeypatch, capfd
):
    settings = replace(settings, head=SLOWER)
    nodes, listener, opens = there.nodes, there.listener, []
    passed = Relay._pass

    def watched(relay, message):
        passed(relay, message)
        if message.kind == "open" and message.text == TRAINING:
            opens.append(message.source)
            running = {source for source in opens if opens.count(source) > 1}  # told by the driver, and there
            if len(running) == 2 and len(nodes.workers) == 2:
                nodes.kill()

    monkeypatch.setattr(Relay, "_pass", watched)
    found = executor.start(task(), DataOptions(), settings)()
    assert len(nodes.workers) == 1
    assert max(map(opens.count, opens)) == 3  # one block was begun again
    assert listener.steps == listener.totals
    assert (listener.totals[TRAINING], listener.totals[EVALUATING]) == (2 * SLOWER.epochs, 2 * 3)
    assert capfd.readouterr().out == ""

    cell, _ = plan_cell(task(), DataOptions(), settings)
    kept = [path.name for path in BlockStore(cell, SILENT).folder.glob("*.safetensors")]
    assert sorted(kept) == [f"runs-{a:04d}-{b:04d}.safetensors" for a, b in ((0, 15), (16, 23))]
    assert len([*there.results.glob(f"*{cell.key}.parquet")]) == 1
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "other"))
    assert not cache_dir("bank").exists()
    same(found, measure(task(), DataOptions(), settings))


@pytest.mark.slow
def test_what_is_stopped_goes_on(executor, there, settings):
    """The last one: it leaves the cluster."""
    settings = replace(settings, seed=1, head=SLOWER)

    def stop(name):
        if name == EVALUATING:
            raise KeyboardInterrupt

    there.listener.__init__(stop)
    with pytest.raises(KeyboardInterrupt):
        executor.start(task(), DataOptions(), settings)()
    there.listener.__init__()
    executor.__exit__()
    assert [*there.cache.glob(".seen-*"), *there.results.glob(".seen-*")] == []
    cell, _ = plan_cell(task(), DataOptions(), settings)
    store = BlockStore(cell, SILENT)
    done = sum(len(store.evaluations(runs)) for runs in store.blocks)
    assert 0 < done < 6
    listener = Listener()
    measure(task(), DataOptions(), settings, listener)
    assert f"evaluation: reused {done} of 6 blocks of quantizer x runs" in listener.notes
