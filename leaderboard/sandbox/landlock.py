"""Which files a process may read, held by the kernel (Landlock, Linux 5.13 and later), for good.

No privileges are needed. Sizes and dates of other files can still be asked for; their content cannot, nor
can anything be written, made or removed anywhere.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

# the numbers are the same on all machines
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
#: Kinds of access that each version of the interface knows: reading, executing, writing, making, removing;
#: then moving between folders, truncating, and commands to devices.
_KNOWN = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}


def install(readable: Iterable[Path], listable: Iterable[Path]) -> int:
    """Let this thread read some files and folders only; return the version of Landlock, 0 for none.

    Parameters
    ----------
    readable : iterable of Path
        Files, and folders with everything in them.
    listable : iterable of Path
        Folders whose names may be read, but no content.

    Raises
    ------
    OSError
        If the kernel has it, but refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))
    if version < 1:
        return 0
    handled = struct.pack("=Q", (1 << _KNOWN.get(version, 16)) - 1)
    rules = _checked(libc.syscall(_CREATE, handled, ctypes.c_size_t(len(handled)), ctypes.c_uint(0)))
    try:
        for path in readable:
            _allow(libc, rules, path, _READ_FILE | (_READ_FOLDER if path.is_dir() else 0))
        for path in listable:
            _allow(libc, rules, path, _READ_FOLDER)
        _checked(libc.syscall(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint(0)))
    finally:
        os.close(rules)
    return version


def _allow(libc: ctypes.CDLL, rules: int, path: Path, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = struct.pack("=Qi", access, place)
        _checked(libc.syscall(_ADD, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint(0)))
    finally:
        os.close(place)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
