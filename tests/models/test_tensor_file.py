"""Cached tensors: what is not what was written is never read."""

import errno

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.tensor_file import content_of, read_tensors, save_tensors, stored_content
from molecules.errors import DataError
from tests.listener import Listener

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7), "c": torch.zeros(0, 4)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "t.safetensors"
    save_tensors(path, TENSORS, "key")
    return path


def test_round_trip(path):
    read = read_tensors(path, "key")
    assert read is not None
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], TENSORS[name]) for name in TENSORS)
    assert load_file(path).keys() == TENSORS.keys()  # a plain safetensors file to everybody else
    assert stored_content(path, "key") == content_of(TENSORS)


def test_a_view_is_written_as_what_it_shows(tmp_path):
    wide = torch.arange(12.0).reshape(3, 4)
    save_tensors(tmp_path / "v", {"v": wide[:, ::2]}, "key")
    read = read_tensors(tmp_path / "v", "key")
    assert read is not None
    assert torch.equal(read["v"], wide[:, ::2])


@pytest.mark.parametrize("place", [-1, -3, -9])
def test_every_flipped_bit_of_a_tensor_is_noticed(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    listener = Listener()
    assert read_tensors(path, "key", listener) is None
    assert "damaged" in listener.notes[0]
    assert str(path) in listener.notes[0]


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x10" * 100])
def test_what_is_no_file_of_tensors_is_noticed(path, data):
    path.write_bytes(data)
    listener = Listener()
    assert read_tensors(path, "key", listener) is None
    assert "damaged" in listener.notes[0]
    assert stored_content(path, "key") is None


def test_files_of_something_else_are_noticed(path):
    listener = Listener()
    assert read_tensors(path, "another key", listener) is None
    assert stored_content(path, "another key") is None
    save_file(TENSORS, path)  # as another program would
    assert read_tensors(path, "key", listener) is None
    save_file(TENSORS, path, metadata={"molmis": "[1]"})
    assert read_tensors(path, "key", listener) is None
    assert sum("something else" in note for note in listener.notes) == 3
    assert read_tensors(path.with_name("absent"), "key", listener) is None
    assert len(listener.notes) == 3


def test_content_tells_names_types_and_shapes_apart():
    one = torch.zeros(4)
    others = [{"b": one}, {"a": one.int()}, {"a": one.reshape(2, 2)}, {"a": one + 1}, {"a": one, "b": one}]
    assert len({content_of(other) for other in [{"a": one}, *others]}) == 6


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("models.tensor_file.save_file", full)
    with pytest.raises(DataError, match=r"cannot write .*t.safetensors \(No space left on device\)"):
        save_tensors(tmp_path / "t.safetensors", TENSORS, "key")
    assert list(tmp_path.iterdir()) == []
