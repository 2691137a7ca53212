"""The container of published files: whole, or an error, for every byte of it."""

import json
import tracemalloc

import pytest
import torch
from safetensors import safe_open

from models.artefact_file import MAX_HEADER, file_bytes, read_file
from molecules.errors import DataError

TENSORS = {
    "odd": torch.tensor([1, 2, 3], dtype=torch.uint8),
    "wide": torch.tensor([[1.5, -0.0], [1e-40, 3e38]]),
    "long": torch.tensor([-(2**60)]),
    "half": torch.tensor([0.5, 0.25], dtype=torch.bfloat16),
    "none": torch.empty(0, dtype=torch.uint8),
    "one": torch.tensor(7, dtype=torch.int16),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes(TENSORS, {"said": "something", "umlaut": "ü"}))
    return path


def test_round_trip_here_and_in_any_reader_of_the_format(path):
    metadata, tensors = read_file(path)
    assert {**metadata, "checksum": ""} == {"checksum": "", "said": "something", "umlaut": "ü"}
    with safe_open(path, framework="pt") as file:
        theirs = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert file.metadata() == metadata
    for found in (tensors, theirs):
        assert found.keys() == TENSORS.keys()
        for name, tensor in TENSORS.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)


def test_equal_content_is_an_equal_file():
    backwards = dict(reversed(TENSORS.items()))
    assert file_bytes(TENSORS, {"a": "b"}) == file_bytes(backwards, {"a": "b"})


def test_cut_at_every_byte(path):
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(DataError):
            read_file(path)


def test_every_flipped_bit(path):
    data = bytearray(path.read_bytes())
    for place in range(len(data)):
        for bit in range(8):
            data[place] ^= 1 << bit
            path.write_bytes(data)
            with pytest.raises(DataError) as caught:
                read_file(path)
            assert "\n" not in str(caught.value)
            data[place] ^= 1 << bit
    path.write_bytes(data)
    read_file(path)  # as it was


def test_longer_than_it_says(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="is damaged: it has"):
        read_file(path)


def rewritten(data: bytes, change) -> bytes:
    """A file whose header was changed; its checksum is no longer looked at."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["wide"].update(shape=[2**20, 2**20]),
        lambda h: h["wide"].update(shape=[2, -2]),
        lambda h: h["wide"].update(shape=[2.0, 2]),
        lambda h: h["wide"].update(shape=[True, 4]),
        lambda h: h["wide"].update(shape=[1] * 9),
        lambda h: h["none"].update(shape=[0, 2**50]),
        lambda h: h["wide"].update(dtype="F8"),
        lambda h: h["wide"].update(data_offsets=[0, 2**62]),
        lambda h: h["wide"].update(data_offsets=[0]),
        lambda h: h.update(odd=h["wide"]),
        lambda h: h.update(odd=3),
        lambda h: h.pop("long"),
        lambda h: h["__metadata__"].update(said=3),
        lambda h: h["__metadata__"].clear(),
        lambda h: h.update(__metadata__=[]),
    ],
)
def test_headers_that_lie_are_told_before_anything_is_read(path, change):
    path.write_bytes(rewritten(path.read_bytes(), change))
    tracemalloc.start()
    with pytest.raises(DataError):
        read_file(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("length", [0, 5, MAX_HEADER + 1, 2**63, 2**64 - 1])
def test_a_header_of_no_possible_length(path, length):
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(DataError):
        read_file(path)


def test_a_header_of_nested_brackets(path):
    opening = path.read_bytes()[8 : 8 + 29]
    text = opening + b"0" * 64 + b'"},"a":' + b"[" * 100_000
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(DataError, match="header cannot be read"):
        read_file(path)


def test_no_file_and_no_such_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path)
    with pytest.raises(DataError, match="No such file"):
        read_file(tmp_path / "absent")
    other = tmp_path / "other"
    other.write_bytes(b"\x20" + b"\0" * 7 + b"{" + b" " * 31)
    with pytest.raises(DataError, match="no model written by export"):
        read_file(other)
