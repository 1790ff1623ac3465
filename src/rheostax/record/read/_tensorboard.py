"""TensorBoard's event files: records with a length and two checksums, each holding a protobuf.

The framing is read here and the content by tensorboardX, which writes such files and brings the protobufs, without the whole
of TensorBoard. Files of `torch.utils.tensorboard`, tensorboardX, clu and TensorFlow all are of this form.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from rheostax._extras import load
from rheostax._words import counted
from rheostax.errors import RunError
from rheostax.record.read._run_log import NO_JOURNAL, RunLog, SeriesBuilder, rate_group

__all__ = ["is_event_file", "read_events"]

HEADER, FOOTER = 12, 4  # the length (uint64) with its checksum, the checksum of the content
LARGEST = 1 << 16  # a record that is larger holds pictures or graphs; their checksums aren't worth the time
ATONCE = 1 << 22  # bytes that are checked together, to bound the memory
POLYNOMIAL = 0x82F63B78  # of CRC-32C, reflected


def is_event_file(path: Path) -> bool:
    """Tell by its name whether a file is one of TensorBoard's."""
    return "tfevents" in path.name and path.is_file()


def read_events(path: Path) -> RunLog:
    """Read the scalars of an event file, or of all of them in a folder, in the order of their names."""
    events = load("tensorboardX.proto.event_pb2", extra="tensorboard")
    files = sorted(file for file in path.iterdir() if is_event_file(file)) if path.is_dir() else [path]
    damage: list[str] = []
    columns: dict[str, tuple[list[int], list[float], list[float]]] = {}
    for file in files:
        for record in _records(file, damage):
            _add(events.Event.FromString(record), columns)
    if not columns:
        raise RunError(f"{path} holds no scalars. {'; '.join(damage)}".rstrip())
    start = min(min(times) for _, _, times in columns.values())
    built, rates = SeriesBuilder(), []
    for name, (counts, values, times) in columns.items():
        column = counts, values, np.asarray(times) - start
        if rate_group(name) is None:
            built.metric(name, *column)
        else:
            rates.append((name, *column))
    built.rates(rates)
    return RunLog(
        path, "tensorboard", built.series, built.learning_rate, notes=damage + built.notes, damage=damage, journal_lacks=NO_JOURNAL
    )


def _add(event: Any, columns: dict[str, tuple[list[int], list[float], list[float]]]) -> None:
    """Add an event's scalars: `simple_value` as PyTorch and tensorboardX write it, a tensor as TensorFlow and clu do."""
    for value in event.summary.value:
        kind = value.WhichOneof("value")
        number = value.simple_value if kind == "simple_value" else _scalar(value.tensor) if kind == "tensor" else None
        if number is not None:
            counts, values, times = columns.setdefault(value.tag, ([], [], []))
            counts.append(event.step)
            values.append(number)
            times.append(event.wall_time)


def _scalar(tensor: Any) -> float | None:
    """Return a tensor's only element, or None if it has several or is no number."""
    if any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    for field, dtype in (("float_val", "<f4"), ("double_val", "<f8"), ("int_val", "<i4"), ("int64_val", "<i8")):
        packed = tensor.tensor_content if tensor.dtype == TYPES[field] else b""
        found = list(getattr(tensor, field)) or list(np.frombuffer(packed, dtype))
        if len(found) == 1:
            return float(found[0])
    return None


TYPES = {"float_val": 1, "double_val": 2, "int_val": 3, "int64_val": 9}  # TensorFlow's numbers of the types


def _records(file: Path, notes: list[str]) -> list[bytes]:
    """Return the contents of the whole records of a file; note what is cut or damaged."""
    data, at, places = file.read_bytes(), 0, []
    while at + HEADER <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if at + HEADER + length + FOOTER > len(data):
            break
        places.append((at, length))
        at += HEADER + length + FOOTER
    good_lengths = _intact(data, [(place, 8) for place, _ in places])
    framed = len(places) if good_lengths.all() else int(np.argmin(good_lengths))
    if framed < len(places):
        notes.append(f"{file.name} is damaged from byte {places[framed][0]:,} on; {counted(framed, 'record')} before it were read")
    elif at < len(data):
        notes.append(f"{file.name} was cut: its last {len(data) - at:,} bytes are no whole record")
    places = places[:framed]
    whole = _intact(data, [(place + HEADER, length) for place, length in places])
    if not whole.all():
        notes.append(f"{file.name}: {counted(int(np.sum(~whole)), 'record')} with a wrong checksum left out")
    return [data[place + HEADER : place + HEADER + length] for (place, length), good in zip(places, whole, strict=True) if good]


def _intact(data: bytes, parts: list[tuple[int, int]]) -> np.ndarray:
    """Tell of each part (where, how long) whether the masked CRC-32C that follows it is right; all of one length at once."""
    good = np.ones(len(parts), bool)
    content, starts, lengths = np.frombuffer(data, np.uint8), np.array([s for s, _ in parts], int), np.array([n for _, n in parts], int)
    for length in np.unique(lengths[lengths <= LARGEST]):
        alike = np.flatnonzero(lengths == length)
        for which in np.array_split(alike, -(-len(alike) * (length + FOOTER) // ATONCE)):
            rows = content[starts[which, None] + np.arange(length + FOOTER)]
            good[which] = _masked_crc(rows[:, :length]) == np.ascontiguousarray(rows[:, length:]).view("<u4")[:, 0]
    return good


def _masked_crc(rows: np.ndarray) -> np.ndarray:
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = TABLE[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1)
    return table.astype(np.uint32)


TABLE = _table()
