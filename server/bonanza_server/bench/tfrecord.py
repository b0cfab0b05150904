"""TFRecord files, and the protocol buffers in them, without TensorFlow.

A record is its length (8 bytes, little-endian), a masked CRC-32C of these, the data, and a masked CRC-32C of the data (TensorFlow,
``record_writer.h``). A message of protocol buffers is a list of fields, each a key (number and wire type) and a value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MASK = 0xA282EAD8
LONGEST = 1 << 24
"""Bytes of a record; more is another kind of file."""
POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), reflected."""


class NotTfrecord(ValueError):
    """The file is none, or is damaged; the message says where."""


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


TABLE = _table()


def masked_crc(data: bytes) -> int:
    """The CRC-32C of ``data``, rotated by 15 bits and added to a constant, as TensorFlow stores it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    """The data of each record, checked.

    Raises:
        OSError: The file cannot be read.
        NotTfrecord: A checksum is wrong, or the file ends within a record.
    """
    with path.open("rb") as file:
        number = 0
        while head := file.read(12):
            length, crc = struct.unpack("<QI", head) if len(head) == 12 else (0, None)
            if crc != masked_crc(head[:8]) or length > LONGEST:
                raise NotTfrecord(f"record {number} of {path} has no valid length: it is no TFRecord file, or damaged")
            data = _exactly(file, length, path, number)
            if struct.unpack("<I", _exactly(file, 4, path, number))[0] != masked_crc(data):
                raise NotTfrecord(
                    f"record {number} of {path} is damaged: its checksum is wrong. Download the file again"
                )
            yield data
            number += 1


def _exactly(file: BinaryIO, length: int, path: Path, number: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise NotTfrecord(f"{path} ends within record {number}: download it again")
    return data


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a message, as (number, value): whole numbers, doubles and floats, and bytes (strings and messages).

    Raises:
        NotTfrecord: It ends within a field, or has a field of another wire type.
    """
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while place < len(message) and shift < 64:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise NotTfrecord("a message of protocol buffers ends within a number")

    def take(length: int) -> bytes:
        nonlocal place
        place += length
        if place > len(message):
            raise NotTfrecord("a message of protocol buffers ends within a field")
        return message[place - length : place]

    while place < len(message):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            yield number, varint()
        elif wire == 1:
            yield number, float(struct.unpack("<d", take(8))[0])
        elif wire == 2:
            yield number, take(varint())
        elif wire == 5:
            yield number, float(struct.unpack("<f", take(4))[0])
        else:
            raise NotTfrecord(f"a message of protocol buffers has a field of wire type {wire}")
