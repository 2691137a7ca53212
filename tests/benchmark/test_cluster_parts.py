"""What a cluster is made of, without one: what is asked for, what tasks do, what they tell."""

import linecache
import sys
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark import memory
from benchmark.blocks import BlockStore
from benchmark.cluster import Cluster
from benchmark.cluster_progress import Board, Message, Relay, Source, Teller
from benchmark.cluster_tasks import Parcel, Site, tried
from benchmark.evaluate import EVALUATING, TRAINING
from benchmark.execute import Settings, measure, plan_cell
from benchmark.execution import HERE, Execution, opened
from benchmark.failures import RemoteError, reason_of
from benchmark.results import BESIDE
from benchmark.run import app
from molecules.errors import MolmisError
from molecules.progress import SILENT
from tasks.task import DataOptions
from tests.benchmark.test_execute import HEAD, task
from tests.listener import Listener

A = Source("a", 1)
MINE = "BITS = 1\n\n\ndef quantize(matrix):\n    return (matrix > 0) - 0.5\n"


class Counting(Listener):
    """Counts the steps and the totals of stages by name, and can be told what to do at a step."""

    def __init__(self, at_step=None) -> None:
        super().__init__()
        self.steps: dict[str, int] = {}
        self.totals: dict[str, int] = {}
        self._at_step = at_step

    @contextmanager
    def _counted(self, name, total):
        self.totals[name] = self.totals.get(name, 0) + total

        def step(steps):
            self.steps[name] = self.steps.get(name, 0) + steps
            if self._at_step is not None:
                self._at_step(name)

        yield step

    stage = _counted  # type: ignore[assignment]


def with_own_quantizer(folder, monkeypatch) -> Settings:
    """Return settings in which a quantizer is in a file that the user names from the working directory."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # what a task sets is undone, too
    (folder / "mine.py").write_text(MINE)
    return Settings("ecfp", ["sign", "mine.py"], 24, results=folder / "results", head=HEAD, device="cpu")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    return with_own_quantizer(tmp_path, monkeypatch)


def same(one, other) -> None:
    """Check that two results are equal bit by bit, in everything but where and when they were measured."""
    pd.testing.assert_frame_equal(one.rows, other.rows, check_exact=True)
    for kind in BESIDE:
        ours, theirs = getattr(one, kind), getattr(other, kind)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    told = [
        {name: value for name, value in result.facts.items() if name not in ("measured", "commit")}
        for result in (one, other)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (("local",), Execution()),
        (("ray",), Execution(True)),
        (("ray:10.0.0.1:6379", 4), Execution(True, "10.0.0.1:6379", 4)),
        (("ray:auto", None, 0.25), Execution(True, "auto", 1, 0.25)),
        (("ray", None, None, "cuda"), Execution(True, "", 1, 1.0)),
        (("ray", 2, 0.5, "cuda"), Execution(True, "", 2, 0.5)),
    ],
)
def test_what_is_asked_for_is_understood(given, meant):
    assert Execution.of(*given) == meant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("slurm",), "--execute slurm: give local, ray or ray:ADDRESS"),
        (("local:1",), "--execute local:1: give local"),
        (("ray:",), "--execute ray:: give local"),
        (("ray:ray://head:10001",), "ray job submit"),
        (("local", 2), "--cpus-per-task: for --execute ray only"),
        (("local", None, 0.25), "--gpus-per-task: for --execute ray only"),
        (("ray", None, 0.25, "cpu"), "--gpus-per-task contradicts --device cpu"),
        (("ray", None, 0.0, "cuda"), "--gpus-per-task 0 contradicts --device cuda"),
        (("ray", None, None, "auto", 4), "--workers: for --execute local only"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(given, said):
    with pytest.raises(MolmisError) as caught:
        Execution.of(*given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ray_that_is_not_installed_is_told_with_advice(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MolmisError, match=r"needs Ray.*pip install 'molmis\[cluster\]'"),
        opened(Execution(True), settings),
    ):
        pass


def test_an_address_where_nothing_answers_is_told_at_once(settings):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    for address, said in (
        ("127.0.0.1:9", "no Ray cluster answers at 127.0.0.1:9"),
        ("head", "give host:port"),
    ):
        with pytest.raises(MolmisError, match=said) as caught, opened(Execution(True, address), settings):
            pass
        assert "\n" not in str(caught.value)


def node(number: int, *, alive: bool = True, **resources: float) -> dict[str, object]:
    """Return a node as Ray tells of it."""
    known = {"NodeID": str(number), "NodeManagerHostname": f"n{number}", "NodeManagerAddress": "10.0.0.1"}
    return {**known, "Alive": alive, "Resources": resources}


def test_a_share_of_a_gpu_is_what_a_node_has_room_for(settings):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    cluster = Cluster(Execution(True, cpus=2, gpus=0.25), settings)
    nodes = [
        node(1, CPU=64.0, GPU=2.0),
        node(2, CPU=6.0, GPU=1.0),
        node(3, CPU=64.0),
        node(4, CPU=64.0, GPU=2.0, alive=False),
    ]
    cluster._ray = SimpleNamespace(nodes=lambda: nodes)
    assert [room for _, _, room in cluster._rooms()] == [8, 3, 0]


def test_nodes_that_go_and_come_are_told(settings):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    listener = Listener()
    cluster = Cluster(Execution(True), settings, listener)
    cluster._alive = {"1": "n1 (10.0.0.1)", "2": "n2 (10.0.0.1)"}
    for nodes in ([node(1, CPU=1.0), node(2, CPU=1.0, alive=False)], [node(3, CPU=0.0)], [node(3, CPU=0.0)]):
        cluster._ray, cluster._counted = SimpleNamespace(nodes=lambda nodes=nodes: nodes), -60.0
        cluster._count()
    assert listener.notes == [
        "cluster: lost the node n2 (10.0.0.1); what it had not finished is done again",
        "cluster: lost the node n1 (10.0.0.1); what it had not finished is done again",
        "cluster: the node n3 (10.0.0.1) has joined",
        "cluster: no node is left with room for a task of 1 processor; waiting for one",
    ]


def test_the_command_line_tells_in_one_line_what_cannot_be(tmp_path):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    results = ["--results", str(tmp_path / "results")]
    for options, said in (
        (["--execute", "ray:127.0.0.1:9"], "error: --execute ray: no Ray cluster answers at 127.0.0.1:9"),
        (["--execute", "ray:127.0.0.1:9", "--suite", "embedded"], "error: --execute ray: no Ray cluster"),
        (["--execute", "kubernetes"], "error: --execute kubernetes: give local, ray or ray:ADDRESS"),
        (["--gpus-per-task", "0.5"], "error: --gpus-per-task: for --execute ray only"),
    ):
        done = CliRunner().invoke(app, [*options, *results])
        assert done.exit_code == 2
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == 1


def test_what_is_local_is_measured_here(settings):
    with opened(Execution(), settings) as executor:
        assert executor is HERE


def test_progress_of_a_task_that_is_done_again_is_counted_once():
    board, listener = Board(), Counting()
    relay = Relay(board.read, listener)
    relay.tell(Message(A, "open", TRAINING, 10))
    first = Teller(A, board.tell).stage(TRAINING, 10)
    first.__enter__()
    board.tell(Message(A, "step", TRAINING, 7))  # and its worker is lost
    relay.pump()
    assert listener.steps == {TRAINING: 7}
    with Teller(A, board.tell).stage(TRAINING, 10) as step:
        for _ in range(10):
            step(1)
    relay.tell(Message(A, "done"))
    relay.pump()
    assert listener.steps == listener.totals == {TRAINING: 10}
    assert listener.notes == []
    Teller(A, board.tell).note("half")
    relay.pump()
    assert listener.notes == ["a: half"]


def test_nothing_is_passed_on_of_a_task_that_nobody_waits_for():
    board, listener = Board(), Counting()
    relay = Relay(board.read, listener)
    relay.tell(Message(A, "open", TRAINING, 10))
    relay.tell(Message(A, "gone"))
    relay.pump()
    with Teller(A, board.tell).stage(EVALUATING, 10) as step:
        step(10)
    relay.pump()
    assert (listener.steps, listener.totals) == ({}, {TRAINING: 10})
    with Teller(Source("a", 2), board.tell).stage(EVALUATING, 10) as step:
        step(10)
    relay.pump()
    assert listener.steps == {EVALUATING: 10}


def test_a_stage_of_a_task_that_found_its_work_done_ends_full():
    listener = Counting()
    relay = Relay(list, listener)
    for told in (Message(A, "open", TRAINING, 10), Message(A, "step", TRAINING, 4), Message(A, "done")):
        relay.tell(told)
    relay.pump()
    assert listener.steps == {TRAINING: 10}


def test_steps_of_a_cell_make_what_is_measured_at_once(settings, tmp_path, own_cache, monkeypatch):
    """The steps of the tasks in this process: nothing of Ray but its pickling."""
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    cell, flags = plan_cell(task(), DataOptions(), settings)
    parcel = Parcel.of(cell, Site(str(own_cache), {}, 2))
    assert parcel.sources == [(str(tmp_path / "mine.py"), MINE.encode())]
    (tmp_path / "mine.py").unlink()
    for name in [name for name in sys.modules if name.startswith("molmis_user_mine")]:
        del sys.modules[name]  # as in another process
    assert tried(parcel, SILENT, "prepare", True).refused == ""
    store = BlockStore(cell, SILENT)
    for runs in reversed(store.blocks):
        assert tried(parcel, SILENT, "block", runs.start, runs.stop).broken == ()
    assert [len(store.evaluations(runs)) for runs in store.blocks] == [3, 3]
    by_parts = tried(parcel, SILENT, "finish", flags, settings).result
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.setenv("MOLMIS_CACHE", str(tmp_path / "other"))
    at_once = measure(task(), DataOptions(), replace(settings, results=tmp_path / "other"))
    same(by_parts, at_once)


CLASS = """
from dataclasses import dataclass

from models.quantizers.base import Quantizer
from models.quantizers.sign import Sign


@dataclass(frozen=True)
class Mine(Quantizer):
    bits: float = 1
    formula = "sign"
    reference = "none"

    def quantize(self, weight):
        return Sign().quantize(weight)
"""


@pytest.mark.parametrize("text", [MINE, CLASS], ids=["function", "class"])
def test_a_quantizer_of_ones_own_is_the_same_where_its_file_is_not(text, settings, own_cache, tmp_path):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    (tmp_path / "away.py").write_text(text)
    cell, _ = plan_cell(task(), DataOptions(), replace(settings, quantizers=["away.py"]))
    parcel = Parcel.of(cell, Site(str(own_cache), {}, 2))
    (tmp_path / "away.py").unlink()
    linecache.clearcache()
    for name in [name for name in sys.modules if name.startswith("molmis_user_away")]:
        del sys.modules[name]  # as in another process
    there = parcel.opened()
    assert there.key == cell.key
    assert there.quantizers.keys() == {"float32", "away"}


def test_a_node_of_other_versions_refuses_to_measure(settings, own_cache):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    cell, _ = plan_cell(task(), DataOptions(), settings)
    other = replace(Parcel.of(cell, Site(str(own_cache), {}, 2)), key="0" * 16)
    assert "install the same versions on all nodes" in tried(other, SILENT, "prepare", True).refused


def test_a_folder_that_is_not_shared_is_named(settings, own_cache, tmp_path):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    cell, _ = plan_cell(task(), DataOptions(), settings)
    site = Site(str(own_cache), {str(tmp_path / "elsewhere" / ".seen"): "--results"}, 2)
    said = tried(Parcel.of(cell, site), SILENT, "prepare", True).refused
    assert f"does not see {tmp_path / 'elsewhere'} (--results)" in said
    assert "\n" not in said


def test_nothing_is_trained_of_what_does_not_fit_into_the_memory_of_a_node(settings, own_cache, monkeypatch):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    cell, _ = plan_cell(task(), DataOptions(), settings)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    said = tried(Parcel.of(cell, Site(str(own_cache), {}, 2)), SILENT, "prepare", True).refused
    assert "memory" in said
    assert "\n" not in said


def test_a_defect_keeps_its_reason_in_one_line_and_its_trace(settings, own_cache):
    pytest.importorskip("ray", reason="the extra [cluster] is not installed")
    cell, _ = plan_cell(task(), DataOptions(), settings)
    broken = tried(Parcel.of(cell, Site(str(own_cache), {}, 2)), SILENT, "block", 3, None).broken
    error = RemoteError(*broken)
    assert reason_of(error).startswith("TypeError in ")
    assert "\n" not in reason_of(error)
    assert "Traceback" in str(error)
