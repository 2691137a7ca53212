"""Files of strangers that mean harm: each is contained, and told of in one sentence."""

import os
from pathlib import Path

import pytest

from leaderboard.sandbox import Containment, Limits, SandboxError, admit, sandboxed
from leaderboard.sandbox.containment import bubblewrap
from models.quantizers import contract
from tests.leaderboard.sandbox_help import BOTH, TERCILES, children, written

HOSTILE = Path(__file__).with_name("hostile")
LIMITS = Limits(memory=1 << 26)
#: Where a file loops, so that it is stopped soon.
SOON = Limits(seconds=2)

#: What is said of each file, behind its name; and with other limits than the rest.
SAID = {
    "announces_much": "wrote something other than an answer to the sandbox's pipe",
    "closes_its_pipes": "ended itself",
    "colours": "raised ValueError: [2J ]0;owned error: nonexxx",
    "endless_import": "ran longer than 2 s while it was loaded and was stopped",
    "endless_loop": "ran longer than 2 s on a 32 x 40 matrix and was stopped",
    "environment": "raised LookupError: found None among ['HOME', 'LANG'",
    "exits": "ended itself on a 32 x 40 matrix (exit code 0)",
    "fork_bomb": "tried to start a process (os.fork)",
    "forges_answers": "wrote something other than an answer to the sandbox's pipe",
    "ignores_signals": "ran longer than 2 s on a 32 x 40 matrix and was stopped",
    "imports_the_benchmark": "raised ModuleNotFoundError: No module named 'benchmark' (line 3)",
    "kills_itself": "tried to send a signal (os.kill)",
    "kills_the_board": "tried to send a signal (os.kill)",
    "leaves_a_thread": "start",  # newer interpreters tell of it, older ones fail
    "links": "tried to change files (os.symlink)",
    "lists_folders": "tried to list /",
    "mask_in_frames": "raised LookupError: no membership in some frames",
    "mask_in_gc": "tried to look through the objects of the interpreter (gc.get_objects)",
    "memory_bomb": "asked for more than 64 MiB of memory",
    "memory_of_the_board": "tried to read /proc/",
    "network": "tried to reach the network (socket.",
    "prints_much": "printed more than 64 KiB on a 32 x 40 matrix and was stopped",
    "profiles": "tried to follow the interpreter (sys.setprofile)",
    "raises_its_exit": "raised SystemExit: 0 (line 16)",
    "reads_files": "tried to read /etc/passwd",
    "recursion": " on a 32 x 40 matrix",  # what becomes of it differs between interpreters
    "returns_a_pickle": "returned a _Command, that is an array of object and not of numbers",
    "starts_a_program": "tried to start a process (subprocess.Popen)",
    "traces_the_board": "tried to reach memory (ctypes.dlopen)",
    "writes_outside": "tried to write to /tmp/molmis-note",
    "writes_pickles": "wrote something other than an answer to the sandbox's pipe",
}
#: What is said of those that are refused for what they returned: the same whatever is around them.
RETURNED = {
    "constant_output": "returned the same weights for two different matrices of 32 x 40",
    "draws_numbers": "in a fresh process: it draws numbers, looks at the clock, or keeps something",
    "float_weights": "says 1 bit a weight and returned 1280 levels on a 32 x 40 matrix",
    "huge_output": "returned an array of shape (1000000, 1000000) on a 32 x 40 matrix",
    "keeps_the_first": "in a fresh process: it draws numbers, looks at the clock, or keeps something",
    "looks_at_the_clock": "in a fresh process: it draws numbers, looks at the clock, or keeps something",
    "many_bits": "says nan bits a weight; more than 0 and at most 32 are allowed",
    "many_levels": "says 1 bit a weight and returned 1280 levels on a 32 x 40 matrix",
    "not_finite": "returned weights that are NaN or infinite on a 32 x 40 matrix",
    "objects": "returned an array of object and not of numbers",
    "patches_the_evaluator": "returned weights that are NaN or infinite",
    "one_level": "returned a single level for all weights of a 32 x 40 matrix",
    "wrong_codes": "returned codes from -2 to 1 for 2 levels",
    "wrong_shape": "returned an array of shape (40, 32)",
}
#: What the interpreter does not tell of, so that the kernel has to hold; and the walls that are asked for.
UNHEARD = {
    "unheard_file": ("landlock", "raised RuntimeError: unable to open file </etc/passwd>"),
    "unheard_memory": ("seccomp", "raised PermissionError: [Errno 1] Operation not permitted"),
    "unheard_program": ("seccomp", "raised PermissionError: [Errno 1] Operation not permitted"),
}
#: What lies elsewhere in each containment.
LABELS = {
    Containment.BUBBLEWRAP: "raised LookupError: no labels",
    Containment.LIMITS: "tried to list",
}


@pytest.fixture(autouse=True)
def unharmed(monkeypatch):
    """Hold every test to leaving this process and this machine as they were."""
    monkeypatch.setenv("MOLMIS_SECRET", "hush")
    running, checks = children(), dict(contract.CHECKS)
    yield
    assert children() <= running
    assert dict(contract.CHECKS) == checks
    assert list(Path("/tmp").glob("molmis-*")) == []
    assert list(Path("/dev/shm").glob("molmis-*")) == []


def sentence(name: str, containment: Containment) -> str:
    """Return what is said of a hostile file."""
    loops = name.startswith("endless") or name == "ignores_signals"
    with (
        pytest.raises(SandboxError) as caught,
        sandboxed(HOSTILE / f"{name}.py", None, SOON if loops else LIMITS, containment) as quantizer,
    ):
        admit(quantizer)
    said = str(caught.value)
    assert said.startswith(f"{name}.py ")
    assert said.isprintable()
    assert len(said) < 400
    return said


def test_every_file_is_tried():
    named = {*SAID, *RETURNED, *UNHEARD, "reads_labels"}
    assert named == {path.stem for path in HOSTILE.glob("*.py")}
    assert len(named) >= 20


@pytest.mark.parametrize("containment", BOTH)
@pytest.mark.parametrize("name", SAID)
def test_harm_is_contained_and_told_of(name, containment):
    assert SAID[name] in sentence(name, containment)


@pytest.mark.parametrize("name", RETURNED)
def test_what_is_returned_is_tested_here(name):
    assert RETURNED[name] in sentence(name, Containment.LIMITS)


@pytest.mark.parametrize("name", UNHEARD)
def test_what_the_interpreter_does_not_tell_of_is_held_by_the_kernel(name, tmp_path):
    with sandboxed(written(tmp_path, TERCILES), containment=Containment.LIMITS) as honest:
        walls = honest.record()
    wall, said = UNHEARD[name]
    if not walls[wall]:
        pytest.skip(f"this kernel has no {wall}")
    assert said in sentence(name, Containment.LIMITS)


@pytest.mark.parametrize("containment", BOTH)
def test_labels_beside_the_packages_are_out_of_sight(containment):
    pytest.importorskip("rdkit")
    assert LABELS[containment] in sentence("reads_labels", containment)


def test_processor_time_is_bounded_where_the_clock_is_not():
    limits = Limits(seconds=60, processor=1)
    with (
        pytest.raises(SandboxError, match=r"used more than 1 s of processor time on a 32 x 40 matrix"),
        sandboxed(HOSTILE / "endless_loop.py", None, limits, Containment.LIMITS) as quantizer,
    ):
        admit(quantizer)


def test_what_ended_a_submission_stands_for_all_that_is_asked_later():
    quantizer = sandboxed(HOSTILE / "exits.py", containment=Containment.LIMITS)
    for _ in range(2):
        with pytest.raises(SandboxError, match=r"exit code 0"):
            admit(quantizer)
    with pytest.raises(SandboxError, match=r"exit code 0"):
        quantizer.session.answers([])


def test_files_that_are_none_are_refused_before_anything_is_started(tmp_path):
    real = written(tmp_path, TERCILES)
    (tmp_path / "link.py").symlink_to(real)
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "long.py").write_bytes(b"#" * ((1 << 20) + 1))
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9")
    written(tmp_path, TERCILES, "text.txt")
    said = {
        "link.py": "is a symbolic link; give the file itself",
        "pipe.py": "is no ordinary file",
        "folder.py": "is no ordinary file",
        "long.py": "is longer than 1 MiB",
        "latin.py": "is no UTF-8 text (byte 5)",
        "text.txt": "is no Python file; its name must end in .py",
        "none.py": "cannot be read (No such file or directory)",
    }
    for name, deed in said.items():
        with pytest.raises(SandboxError) as caught:
            sandboxed(tmp_path / name)
        assert str(caught.value) == f"{name} {deed}"


def test_a_containment_that_does_not_work_is_said(monkeypatch):
    from leaderboard.sandbox import containment

    monkeypatch.setattr(containment, "bubblewrap", lambda: containment.Bubblewrap(reason="none"))
    assert containment.chosen(None) is Containment.LIMITS
    with pytest.raises(Exception, match=r"bubblewrap does not work here \(none\)"):
        sandboxed(HOSTILE / "exits.py", containment=Containment.BUBBLEWRAP)
    assert bubblewrap().path or bubblewrap().reason
