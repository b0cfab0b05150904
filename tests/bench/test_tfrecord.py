"""The official file of NAS-Bench-101, written as its authors' tools do."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from bonanza_server.bench.errors import CannotBench
from bonanza_server.bench.table import load
from bonanza_server.bench.tfrecord import NotTfrecord, fields, masked_crc, records

CHAIN = ("0100001000010000", "input,conv3x3-bn-relu,maxpool3x3,output")
DIRECT = ("0100", "input,output")


def crc32c(data: bytes) -> int:
    """Bit by bit (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)


def tfrecord(*contents: bytes) -> bytes:
    made = b""
    for data in contents:
        length = struct.pack("<Q", len(data))
        made += length + masked(length) + data + masked(data)
    return made


def key(number: int, wire: int) -> bytes:
    return bytes([number << 3 | wire])


def evaluation(epoch: float, seconds: float, valid: float) -> bytes:
    """``EvaluationData``: epoch, training time, and train, validation and test accuracy, then a path that nobody needs."""
    numbers = enumerate((epoch, seconds, 0.99, valid, 0.5), start=1)
    path = b"/model.ckpt"
    return (
        b"".join(key(k, 1) + struct.pack("<d", number) for k, number in numbers) + key(6, 2) + bytes([len(path)]) + path
    )


def row(module: str, cell: tuple[str, str], valid: float, seconds: float, epochs: int = 108) -> bytes:
    """A record: ``ModelMetrics`` with evaluations at the start, in the middle and at the end of the training."""
    evaluations = [evaluation(0.0, 0.0, 0.1), evaluation(54.0, seconds / 2, 0.8), evaluation(108.0, seconds, valid)]
    message = b"".join(key(1, 2) + bytes([len(one)]) + one for one in evaluations)
    message += key(2, 0) + b"\xac\x02" + key(3, 1) + struct.pack("<d", 9.0)  # 300 parameters, total time
    return json.dumps([module, epochs, *cell, base64.b64encode(message).decode()]).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "nasbench_only108.tfrecord"
    rows = [row("b", CHAIN, 0.90, 1000.0), row("a", DIRECT, 0.50, 60.0), row("b", CHAIN, 0.92, 2000.0)]
    file.write_bytes(tfrecord(*rows, row("b", CHAIN, 0.30, 40.0, epochs=4)))
    return file


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    for data in (b"", b"\x00", b"123456789", bytes(range(256))):
        assert struct.pack("<I", masked_crc(data)) == masked(data)


def test_the_official_file_is_the_pool_of_its_cells_with_each_run(path: Path) -> None:
    table = load(str(path), "", "{}", True)
    assert table.space.size == len(table) == 2
    ops = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    chain = table.space.validate({"adjacency": [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], "ops": ops})
    entry = table.entry(chain)
    assert entry is not None
    assert entry.values == pytest.approx((90.0, 92.0))
    assert entry.seconds == 1500.0
    assert table.optimum == pytest.approx(91.0)


def test_every_byte_that_is_not_as_it_was_written_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(NotTfrecord):
            list(records(path))
    for length in (1, 11, 13, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(NotTfrecord):
            list(records(path))


@pytest.mark.parametrize("message", [b"\x80", b"\x09abc", b"\x0a\x05ab", b"\x0b", b"\xff" * 20])
def test_a_message_that_ends_too_soon_is_refused(message: bytes) -> None:
    with pytest.raises(NotTfrecord):
        list(fields(message))


def test_fields_of_all_wire_types_are_read() -> None:
    message = b"\x08\x96\x01" + b"\x15" + struct.pack("<f", 1.5) + b"\x1a\x02hi" + b"\x21" + struct.pack("<d", 2.5)
    assert list(fields(message)) == [(1, 150), (2, 1.5), (3, b"hi"), (4, 2.5)]


@pytest.mark.parametrize(
    "content", [b'["a", 108]', b"no json", b'["a", 108, "01", "input,output", "!"]', b'["a", 108, "01", "x", ""]']
)
def test_records_of_something_else_are_refused_in_a_line(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "other.tfrecord"
    file.write_bytes(tfrecord(content))
    with pytest.raises(CannotBench, match="cannot be read as NAS-Bench-101"):
        load(str(file), "", "{}", True)
