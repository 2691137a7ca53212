"""A filter of system calls: what an interpreter needs to compute, and nothing else.

A program of the kernel's own filter language (seccomp, classic BPF), made here from a table, so that neither
processes nor threads, sockets, signals to others, shared memory nor files written are left to good manners.
What is not in the table fails with EPERM.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Sequence

# What a program is made of: load a word; compare with a constant; test bits; return.
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
# Where the words of a call are: its number, its architecture, its arguments of eight bytes.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

#: Number of an architecture in filters, and of the system call that installs one.
_MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}
#: Calls of another convention on x86-64 begin here.
_X32 = 0x40000000

#: Calls that are free, with their numbers on x86-64 and on aarch64; None: there is none.
FREE: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "stat": (4, None), "fstat": (5, 80),
    "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226),
    "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66),
    "access": (21, None), "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216),
    "mincore": (27, 232), "madvise": (28, 233), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24),
    "pause": (34, None), "nanosleep": (35, 101), "getitimer": (36, 102), "alarm": (37, None),
    "setitimer": (38, 103), "getpid": (39, 172), "exit": (60, 93), "uname": (63, 160),
    "getdents": (78, None), "getdents64": (217, 61), "getcwd": (79, 17), "readlink": (89, None),
    "readlinkat": (267, 78), "umask": (95, 166), "gettimeofday": (96, 169), "getrlimit": (97, 163),
    "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153), "getuid": (102, 174),
    "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177), "getppid": (110, 173),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133),
    "sigaltstack": (131, 132), "statfs": (137, 43), "fstatfs": (138, 44), "arch_prctl": (158, None),
    "gettid": (186, 178), "time": (201, None), "futex": (202, 98), "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96), "restart_syscall": (219, 128), "fadvise64": (221, 223),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "exit_group": (231, 94), "get_mempolicy": (239, 236), "newfstatat": (262, 79), "faccessat": (269, 48),
    "pselect6": (270, 72), "ppoll": (271, 73), "set_robust_list": (273, 99), "getcpu": (309, 168),
    "getrandom": (318, 278), "membarrier": (324, 283), "statx": (332, 291), "rseq": (334, 293),
    "faccessat2": (439, 439),
}  # fmt: skip
#: Calls that are free with some arguments only.
BOUND: dict[str, tuple[int | None, int | None]] = {
    "open": (2, None), "openat": (257, 56), "ioctl": (16, 29), "fcntl": (72, 25), "tgkill": (234, 131),
    "prlimit64": (302, 261), "clone3": (435, 435),
}  # fmt: skip

#: Flags of opening that write or make a file: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC (O_TMPFILE needs the others)
_WRITES = 0o1 | 0o2 | 0o100 | 0o1000
#: What may be asked of a file by ioctl: is it a terminal, how wide, how much is there, is it inherited.
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)
#: And by fcntl: copies of its number and its flags, with no say in who gets signals about it.
_FCNTLS = (0, 1, 2, 3, 4, 1030, 1032)

Line = tuple[int, int, int, int]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def install(pid: int) -> bool:
    """Install the filter for every thread of this process, for good; return whether it stands.

    Parameters
    ----------
    pid : int
        Of this process: it may send signals to itself.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        return False
    code = b"".join(struct.pack("=HBBI", *line) for line in program(machine, pid))
    filter_ = _Filter(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    call = ctypes.c_long(_MACHINES[machine][1])
    # SECCOMP_SET_MODE_FILTER, with SECCOMP_FILTER_FLAG_TSYNC
    return int(libc.syscall(call, ctypes.c_uint(1), ctypes.c_uint(1), ctypes.byref(filter_))) == 0


def program(machine: str, pid: int) -> list[Line]:
    """Return the filter: lines of an operation, two jumps and a constant."""
    column = list(_MACHINES).index(machine)
    fail = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _MACHINES[machine][0]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        fail,
    ]
    for name, numbers in BOUND.items():
        number = numbers[column]
        if number is not None:
            block = _block(name, pid)
            lines += [(_EQUAL, 0, len(block), number), *block]
    for numbers in FREE.values():
        number = numbers[column]
        if number is not None:
            lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    return [*lines, fail]


def _block(name: str, pid: int) -> list[Line]:
    """Return the lines that decide on one call; each way through them ends in a return."""
    allow, fail = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL | errno.EPERM)
    if name in ("open", "openat"):
        return [_argument(1 if name == "open" else 2), (_BITS, 0, 1, _WRITES), fail, allow]
    if name == "ioctl":
        return _one_of(1, _IOCTLS)
    if name == "fcntl":
        return _one_of(1, _FCNTLS)
    if name == "tgkill":
        return _one_of(0, (pid,))
    if name == "prlimit64":  # read its own limits: no other process, and nothing to set
        return [
            _argument(0), (_EQUAL, 1, 0, 0), fail,
            _argument(2), (_EQUAL, 1, 0, 0), fail,
            _argument(2, high=True), (_EQUAL, 1, 0, 0), fail, allow,
        ]  # fmt: skip
    return [(_RETURN, 0, 0, _FAIL | errno.ENOSYS)]  # clone3: glibc then tries clone, which fails


def _argument(place: int, *, high: bool = False) -> Line:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * place + 4 * high)


def _one_of(place: int, values: Sequence[int]) -> list[Line]:
    tests: list[Line] = []
    for value in values:
        tests += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [_argument(place), *tests, (_RETURN, 0, 0, _FAIL | errno.EPERM)]
