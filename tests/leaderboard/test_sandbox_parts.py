"""Parts of the sandbox: messages, the filter of system calls, what may be read, what is believed."""

import errno
import json
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.sandbox import syscalls
from leaderboard.sandbox.containment import ENVIRONMENT, interpreter
from leaderboard.sandbox.frames import MAX_HEADER, PREFIX, Frame, FrameError, decode, encode, needed
from leaderboard.sandbox.limits import plain, size
from leaderboard.sandbox.load_class import taken_apart
from leaderboard.sandbox.places import places
from leaderboard.sandbox.rebuild import WrongError, believed, together
from models.quantizers import QUANTIZERS
from models.quantizers.composed import Nested
from models.quantizers.quantized import Codebook, Floats, Grid, Quantized, Values
from models.quantizers.rotated import Rotated
from models.quantizers.zoo import zoo_names

ROOT = Path(__file__).resolve().parents[2]


# messages


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.tuples(st.sampled_from(["f4", "u1", "i2", "i4", "i8"]), st.lists(st.integers(0, 4), max_size=3)),
        max_size=3,
    ),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.none(), max_size=3),
)
def test_messages_come_out_as_they_went_in(arrays, head):
    head.pop("arrays", None)
    rng = np.random.default_rng(0)
    sent = {name: rng.integers(0, 99, shape).astype(f"<{kind}") for name, (kind, shape) in arrays.items()}
    whole = encode(head, sent)
    assert needed(whole, 10_000) == len(whole)
    got = decode(whole)
    assert got.head == head
    assert got.arrays.keys() == sent.keys()
    for name, array in got.arrays.items():
        assert array.dtype == sent[name].dtype
        assert array.flags.writeable
        np.testing.assert_array_equal(array, sent[name])


@given(st.binary(max_size=200), st.integers(0, 100))
def test_whatever_bytes_come_are_a_message_or_a_refusal(data, limit):
    for whole in (data, PREFIX.pack(len(data), 0) + data):
        try:
            total = needed(whole, limit)
            if total is not None and total == len(whole):
                assert isinstance(decode(whole), Frame)
        except FrameError:
            pass


def raw(header: object, payload: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return PREFIX.pack(len(text), len(payload)) + text + payload


@pytest.mark.parametrize(
    "whole",
    [
        raw({"say": "x"}),
        raw([1]),
        raw(b"\xff"),
        raw(b"[" * 60_000),
        raw({"arrays": [["a", "O", [1]]]}, b"\0" * 8),
        raw({"arrays": [["a", "f8", [1]]]}, b"\0" * 8),
        raw({"arrays": [["a", "f4", [-1]]]}, b"\0" * 4),
        raw({"arrays": [["a", "f4", [True]]]}, b"\0" * 4),
        raw({"arrays": [["a", "f4", [1.0]]]}, b"\0" * 4),
        raw({"arrays": [["a", "f4", [2]]]}, b"\0" * 4),
        raw({"arrays": [["a", "f4", [1]]]}, b"\0" * 8),
        raw({"arrays": [["a", "f4", [1, 1, 1, 1]]]}, b"\0" * 4),
        raw({"arrays": [["a", "u1", [1]], ["a", "u1", [1]]]}, b"\0" * 2),
        raw({"arrays": [["a", "u1", [1 << 40, 1 << 40]]]}, b"\0" * 2),
        raw({"arrays": [[7, "u1", [1]]]}, b"\0"),
        raw({"arrays": [["a", ["u1"], [1]]]}, b"\0"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(whole):
    with pytest.raises(FrameError):
        decode(whole)


def test_sizes_are_known_before_memory_is_taken():
    assert needed(PREFIX.pack(10, 100), 100) == PREFIX.size + 110
    assert needed(PREFIX.pack(10, 100)[:5], 100) is None
    for header, payload in ((10, 101), (MAX_HEADER + 1, 0), (2, 1 << 63)):
        with pytest.raises(FrameError):
            needed(PREFIX.pack(header, payload), 100)
    with pytest.raises(FrameError):
        encode({}, {"a": np.array([object()])})


@given(st.text(), st.integers(1, 50))
def test_a_strangers_text_is_one_short_line(text, shown):
    line = plain(text, shown)
    assert len(line) <= shown
    assert line.isprintable()


def test_sizes_in_words():
    assert [size(n) for n in (5, 1 << 16, 3 << 20, 1 << 30)] == ["5 bytes", "64 KiB", "3 MiB", "1 GiB"]


# the filter of system calls


def decides(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run the filter on one call: an independent reading of its language."""
    own = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    words = [number, own if architecture is None else architecture, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    data = struct.pack("<16I", *words)
    lines, place, value = syscalls.program(machine, pid=77), 0, 0
    while True:
        code, yes, no, constant = lines[place]
        place += 1
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, constant)
        elif code == 0x06:
            return constant
        else:
            true = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[code]
            place += yes if true else no


ALLOWED, REFUSED, MISSING = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_lets_through_what_computing_needs_and_nothing_else(machine):
    column = ["x86_64", "aarch64"].index(machine)
    numbers = {name: pair[column] for name, pair in {**syscalls.FREE, **syscalls.BOUND}.items()}
    free = {pair[column] for pair in syscalls.FREE.values()} - {None}
    bound = {pair[column] for pair in syscalls.BOUND.values()} - {None}
    assert {number for number in range(600) if decides(machine, number) == ALLOWED} - bound == free
    assert decides(machine, 1, architecture=0x40000003) == 0x80000000  # calls of 32 bits
    assert decides(machine, 0x40000000 | (numbers["read"] or 0)) == REFUSED
    opens = numbers["openat"]
    assert decides(machine, opens, 0, 0, 0o2000000) == ALLOWED
    for flags in (0o1, 0o2, 0o100, 0o1000, 0o20200002):
        assert decides(machine, opens, 0, 0, flags) == REFUSED
    assert decides(machine, numbers["tgkill"], 77, 77, 6) == ALLOWED
    assert decides(machine, numbers["tgkill"], 1, 1, 9) == REFUSED
    assert decides(machine, numbers["prlimit64"], 0, 7, 0) == ALLOWED
    assert decides(machine, numbers["prlimit64"], 0, 7, 1 << 40) == REFUSED
    assert decides(machine, numbers["prlimit64"], 0, 7, 8) == REFUSED
    assert decides(machine, numbers["prlimit64"], 5, 7, 0) == REFUSED
    assert decides(machine, numbers["fcntl"], 3, 1) == ALLOWED
    assert decides(machine, numbers["fcntl"], 3, 8) == REFUSED  # who gets signals about a file
    assert decides(machine, numbers["ioctl"], 0, 0x5401) == ALLOWED
    assert decides(machine, numbers["ioctl"], 0, 0x5412) == REFUSED  # typing into a terminal
    assert decides(machine, numbers["clone3"]) == MISSING


@pytest.mark.parametrize(
    ("column", "header"),
    [(0, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (1, "/usr/include/asm-generic/unistd.h")],
)
def test_numbers_of_calls_are_those_of_the_kernels_headers(column, header):
    if not Path(header).exists():
        pytest.skip(f"no {header} here")
    text = Path(header).read_text()
    known = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    other = {"newfstatat": "fstatat"}  # what the generic header calls it
    for name, pair in {**syscalls.FREE, **syscalls.BOUND}.items():
        if pair[column] is not None:
            assert known.get(name, known.get(other.get(name, ""))) == pair[column], name
        else:
            assert column == 1
            assert name not in known


GATE = """
import os, socket, json, mmap, sys
from leaderboard.sandbox import kernel
limits = {"processor": 60, "memory": 1 << 28, "files": 64}
walls = kernel.close_gate(limits, [], [])
def tried(function):
    try:
        function()
    except BaseException as error:
        return type(error).__name__
    return "done"
print(json.dumps({**walls, "tried": {
    "fork": tried(os.fork),
    "socket": tried(socket.socket),
    "write": tried(lambda: os.open("/tmp/molmis-gate", os.O_WRONLY | os.O_CREAT)),
    "read": tried(lambda: os.open("/etc/passwd", os.O_RDONLY)),
    "kill": tried(lambda: os.kill(os.getppid(), 0)),
    "execute": tried(lambda: os.execv("/bin/true", ["true"])),
    "unlink": tried(lambda: os.unlink("/tmp/molmis-gate")),
    "folder": tried(lambda: os.mkdir("/tmp/molmis-gate")),
    "memory": tried(lambda: mmap.mmap(-1, 1 << 29)),
    "kept": tried(lambda: os.memfd_create("kept")),
    "compute": tried(lambda: sum(range(1000))),
    "random": tried(lambda: os.urandom(8)),
}}))
"""


def test_the_kernel_holds_without_the_interpreters_help():
    done = subprocess.run(
        interpreter(places(), GATE), capture_output=True, text=True, env=ENVIRONMENT, cwd="/", check=True
    )
    told = json.loads(done.stdout)
    if not (told["seccomp"] and told["landlock"]):
        pytest.skip(f"this kernel has not all walls: {told}")
    tried = told["tried"]
    assert {name for name, what in tried.items() if what == "done"} == {"compute", "random"}
    assert tried["memory"] in ("OSError", "MemoryError")


HOOK = """
import ctypes, gc, json, os, socket, sqlite3, subprocess, sys, tempfile, threading
from leaderboard.sandbox import audit
deeds = []
audit.install([json.__file__], ["/usr"], deeds.append)
for function in (
    os.fork,
    lambda: subprocess.run(["true"]),
    lambda: os.execv("/bin/true", ["true"]),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    lambda: os.system("true"),
    socket.socket,
    lambda: open("/tmp/molmis-hook", "w"),
    lambda: os.open("/tmp/molmis-hook", os.O_CREAT),
    lambda: open("/etc/passwd"),
    lambda: open(b"/usr/../etc/passwd"),
    lambda: os.listdir(),
    lambda: list(os.scandir("/etc")),
    lambda: os.symlink("/", "/tmp/molmis-hook"),
    lambda: os.remove("/tmp/molmis-hook"),
    lambda: tempfile.mkdtemp(dir="/tmp"),
    lambda: sqlite3.connect("/tmp/molmis-hook"),
    lambda: os.kill(os.getppid(), 9),
    lambda: ctypes.CDLL(None),
    lambda: ctypes.string_at(id(deeds), 8),
    lambda: sys.settrace(print),
    lambda: sys.addaudithook(print),
    gc.get_objects,
    lambda: (lambda: 0).__code__.replace(co_consts=()),
    lambda: open(json.__file__).close(),
    lambda: os.listdir("/usr"),
    lambda: os.listdir(0),
):
    deeds.clear()
    try:
        function()
    except Exception as error:
        pass
    print(*deeds[:1] or ["let through"])
"""


def test_the_interpreter_tells_of_what_is_tried_where_the_kernel_does_not_hold():
    done = subprocess.run(
        interpreter(places(), HOOK), capture_output=True, text=True, env=ENVIRONMENT, cwd="/", check=True
    )
    deeds = done.stdout.splitlines()
    assert deeds[-3:] == ["let through"] * 3
    assert all(deed.startswith("tried to ") for deed in deeds[:-3])
    starts = ["start a process"] * 5 + ["reach the network"] + ["write to /tmp/molmis-hook"] * 2
    starts += ["read /etc/passwd"] * 2 + ["list /", "list /etc"] + ["change files"] * 4
    starts += ["send a signal"] + ["reach memory"] * 2 + ["follow"] * 2 + ["look through", "make byte code"]
    assert [word for word, deed in zip(starts, deeds, strict=False) if f"tried to {word}" not in deed] == []
    assert len(deeds) == len(starts) + 3


# what may be read


def test_neither_labels_nor_results_nor_the_checkout_are_among_what_is_read():
    found = places()
    readable = [path.resolve() for path in found.readable]

    def seen(path: Path) -> bool:
        return any(path == given or given in path.parents for given in readable)

    assert seen(ROOT / "models" / "quantizers" / "base.py")
    assert seen(Path(np.__file__).resolve())
    assert seen(Path(torch.__file__).resolve())
    assert seen(Path(json.__file__).resolve())
    for path in (
        "benchmark/execute.py",
        "tasks/records.py",
        "results",
        ".git/config",
        "leaderboard/board.py",
    ):
        assert not seen(ROOT / path)
    rdkit = pytest.importorskip("rdkit")
    assert not seen(Path(rdkit.__file__).resolve())
    assert not seen(Path.home().resolve())
    assert not seen(Path("/etc/passwd"))
    assert {"numpy", "scipy", "torch", "models", "json"} <= found.names
    assert not {"rdkit", "pandas", "deepchem", "benchmark", "tasks"} & found.names


# what is believed


def sent(quantized: Quantized, matrix: torch.Tensor) -> Frame:
    """Return what the process of a submission would send."""
    return decode(encode(*taken_apart(quantized, tuple(matrix.shape))))


STACKS = [
    torch.randn((2, 3, 24, 40), generator=torch.Generator().manual_seed(1)) * 0.1,
    torch.randn((1, 64, 256), generator=torch.Generator().manual_seed(2)) * 0.1,
    torch.zeros(2, 3, 4),
    torch.randn((2, 1, 1), generator=torch.Generator().manual_seed(3)),
    torch.randn((2, 1, 40), generator=torch.Generator().manual_seed(4)),
]
TAKEN = [
    name
    for name in [*zoo_names("all"), *zoo_names("controls")]
    if QUANTIZERS[name].calibration == "none" and not name.startswith("hadamard")
]


@pytest.mark.parametrize("name", TAKEN)
def test_the_zoo_comes_back_matrix_by_matrix_as_it_is_in_one_call(name):
    quantizer, known = QUANTIZERS[name], {}
    for stack in STACKS:
        matrices = stack.reshape(-1, *stack.shape[-2:])
        answers = [
            believed(sent(quantizer.quantize(one.clone()), one), tuple(one.shape), quantizer.bits)
            for one in matrices
        ]
        got, wanted = together(answers, stack, known), quantizer.quantize(stack)
        assert torch.allclose(got.dequantize(), wanted.dequantize(), rtol=1e-6, atol=0)
        if isinstance(wanted, Floats):
            assert isinstance(got, Values)
        else:
            assert type(got) is type(wanted)
            assert torch.equal(got.codes, wanted.codes)


W = torch.randn((32, 40), generator=torch.Generator().manual_seed(5))
SIGNS = (W > 0).to(torch.uint8)
TWO = torch.tensor([-1.0, 1.0])
ONE = torch.ones(1, 1)


@pytest.mark.parametrize(
    ("quantized", "said"),
    [
        (Grid(SIGNS, TWO, W.abs()), "says 1 bit a weight and stores 32 more beside the codes"),
        (Grid(SIGNS, TWO, W.abs(), stored="nothing"), "scales that are not stored are one"),
        (Grid(SIGNS, TWO, W.abs(), stored="exponent"), "scales that are exponents are powers of two"),
        (Grid(SIGNS, TWO, ONE, stored="free"), "scales are stored, as exponents, or not"),
        (Grid(SIGNS + 1, TWO, ONE), "returned codes from 1 to 2 for 2 levels"),
        (Grid(SIGNS, TWO.flip(0), ONE), "levels ascend, each once"),
        (Grid(SIGNS, torch.arange(3.0), ONE), "says 1 bit a weight and returned 3 levels"),
        (Grid(SIGNS, TWO, torch.full((1, 1), 3e38) * 10), "returned scale that are NaN or infinite"),
        (Grid(SIGNS, TWO * 3e38, ONE * 10), "returned weights that are NaN or infinite"),
        (Grid(SIGNS, TWO, torch.ones(33, 1)), "parts do not belong together"),
        (Grid(SIGNS, TWO, torch.ones(32, 7), block=(1, 1)), "parts do not belong together"),
        (Grid(SIGNS, TWO, ONE, block=(-1, 10**9)), "a block has rows and columns"),
        (Grid(SIGNS[:3], TWO, ONE), "returned codes of shape (3, 40)"),
        (Grid(SIGNS, TWO, ONE, zero=torch.ones(32, 1)), "parts do not belong together"),
        (Codebook(SIGNS, torch.arange(5.0)), "says 1 bit a weight and returned 5 levels"),
        (Floats(W.view(torch.int32)), "says 1 bit a weight and returned 1280 levels"),
        (
            Nested(SIGNS, TWO, torch.zeros(32, 40, dtype=torch.uint8), TWO, torch.ones(1280), 1),
            "says 1 bit a weight and stores 40 more beside the codes",
        ),
        (
            Nested(SIGNS, TWO, torch.zeros(32, 1, dtype=torch.uint8), TWO, torch.ones(1), 10**12),
            "parts do not belong together",
        ),
        (Rotated(SIGNS, TWO, ONE, columns=40), "of a kind that the board does not take (rotated)"),
    ],
)
def test_what_does_not_add_up_is_refused(quantized, said):
    with pytest.raises(WrongError, match=re.escape(said)):
        believed(sent(quantized, W), (32, 40), 1.0)


def test_what_all_matrices_share_may_not_follow_the_weights():
    known: dict[str, torch.Tensor] = {}
    for levels in (TWO, TWO, TWO * 2):
        answer = believed(sent(Grid(SIGNS, levels, ONE), W), (32, 40), 1.0)
        if levels is not TWO:
            with pytest.raises(WrongError, match="returned levels that differ between matrices in a grid"):
                together([answer], W, known)
        else:
            together([answer], W, known)


def test_answers_of_two_kinds_are_refused():
    one = believed(sent(Grid(SIGNS, TWO, ONE), W), (32, 40), 1.0)
    two = believed(sent(Codebook(SIGNS, TWO), W), (32, 40), 1.0)
    with pytest.raises(WrongError, match="returned codebook for some matrices and grid for others"):
        together([one, two], torch.stack([W, W]), {})
    rows = believed(sent(Grid(SIGNS, TWO, torch.ones(32, 1)), W), (32, 40), 1.0)
    with pytest.raises(WrongError, match="returned scale of different shapes"):
        together([one, rows], torch.stack([W, W]), {})
    blocked = believed(sent(Grid(SIGNS, TWO, ONE, block=(32, 40)), W), (32, 40), 1.0)
    with pytest.raises(WrongError, match="of different make"):
        together([one, blocked], torch.stack([W, W]), {})


@pytest.mark.parametrize(
    ("head", "arrays"),
    [
        ({}, {}),
        ({"kind": ["grid"]}, {}),
        ({"kind": "grid", "facts": [1]}, {}),
        ({"kind": "grid"}, {}),
        ({"kind": "grid", "facts": {"stored": "scale", "block": None, "more": 1}}, {"codes": SIGNS.numpy()}),
        ({"kind": "matrix"}, {}),
        ({"kind": "matrix"}, {"matrix": np.zeros((3, 3), np.float32)}),
        ({"kind": "matrix"}, {"matrix": np.zeros((32, 40), np.uint8)}),
        ({"kind": "levels"}, {"levels": np.zeros(0, np.float32), "codes": SIGNS.numpy()}),
        ({"kind": "levels"}, {"levels": np.zeros((1, 2), np.float32), "codes": SIGNS.numpy()}),
        ({"kind": "levels"}, {"levels": np.zeros(2, np.float32), "codes": W.numpy()}),
        ({"kind": "additive"}, {"codes": SIGNS.numpy(), "coefficients": np.zeros(60, np.float32)}),
        ({"kind": "vectors", "facts": {"columns": 10**12}}, {"codes": SIGNS.numpy(), "codebook": W.numpy()}),
        (
            {"kind": "vectors", "facts": {"columns": 40}},
            {"codes": SIGNS.numpy(), "codebook": W.numpy()[:, :0]},
        ),
    ],
)
def test_forged_answers_are_refused(head, arrays):
    with pytest.raises(WrongError):
        believed(Frame(head, arrays), (32, 40), 1.0)
