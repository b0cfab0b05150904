"""A whole study as text: one record a line, each with its checksum, so that one file can be sent to a reviewer, checked and opened elsewhere.

::

    {"crc": "…", "study": {"format": "bonanza-study", "version": 1, "name", "space", "spec_hash", "pool_size", "bonanza", "exported_at", …}}
    {"crc": "…", "event": {"seq", "at", "kind", "number", "data"}}          every event of the study, in order
    {"crc": "…", "fit": {"version", "event", "results", …, "pool"}}          what each fit left; the pool of the newest alone
    {"crc": "…", "curve": {"number", "attempt", "points": [[step, metrics, at], …]}}
    {"crc": "…", "explanation": {"number", "alternatives"}}
    {"crc": "…", "feature": {"seq", "arch_id", "architecture", "known"}}     what event ``seq`` told of a cell
    {"crc": "…", "end": {"lines": 1234}}

``crc`` is the CRC-32 of what follows it on the line: a flipped digit is found where it is. Lease tokens are not in it. A file is read whole or refused:
what its events say must be a history, by ``replay``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from bonanza_server.lifecycle.replay import BrokenHistory, Replay

FORMAT: Final = "bonanza-study"
VERSION: Final = 1
KINDS: Final = ("study", "event", "fit", "curve", "explanation", "feature", "end")
_HEAD: Final = '{"crc": "'
_REST: Final = len(_HEAD) + 8


class DamagedArchive(ValueError):
    """The text is no whole export; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


@dataclass
class Archive:
    """A study as its export has it; ``lines`` are the places of its events in the text, and each of its features has its own."""

    header: dict[str, Any]
    replay: Replay
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    fits: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    explanations: list[dict[str, Any]] = field(default_factory=list)
    features: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def write(records: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """The lines of an archive, each with its newline; ``records`` are (kind, content), the study first, and the end is added."""
    lines = 0
    for lines, (kind, content) in enumerate(records, 1):  # noqa: B007 - their number is the end's
        yield _line(kind, content)
    yield _line("end", {"lines": lines})


def _line(kind: str, content: dict[str, Any]) -> str:
    rest = f'", "{kind}": {json.dumps(content, ensure_ascii=False, allow_nan=False)}}}'
    return f"{_HEAD}{zlib.crc32(rest.encode()):08x}{rest}\n"


def read(text: str) -> Archive:
    """The study that ``text`` is the export of.

    Raises:
        DamagedArchive: a line is damaged, missing or doubled, or the file is of another kind or a newer version.
    """
    archive: Archive | None = None
    count, ended = 0, False
    for count, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if ended:
            raise DamagedArchive(count, "there is something after the end")
        kind, content = _record(count, line)
        if archive is None:
            archive = Archive(_header(count, kind, content), Replay())
            continue
        if kind == "end":
            ended = True
            if content.get("lines") != count - 1:
                raise DamagedArchive(
                    count, f"{content.get('lines')} lines were written before the end, and {count - 1} are there"
                )
        elif kind == "study":
            raise DamagedArchive(count, "a second study begins: a file holds one")
        elif kind == "event":
            _event(archive, count, content)
        elif kind == "feature":
            archive.features.append((count, content))
        else:
            {"fit": archive.fits, "curve": archive.curves, "explanation": archive.explanations}[kind].append(content)
    if archive is None or not ended:
        raise DamagedArchive(count + 1, "the file ends too early: it was cut off while it was written or copied")
    if not archive.events:
        raise DamagedArchive(count, "there are no events: a study begins with study.created")
    return archive


def _record(number: int, line: str) -> tuple[str, dict[str, Any]]:
    if not line.startswith(_HEAD):
        raise DamagedArchive(number, "this is no line of an exported study")
    if line[len(_HEAD) : _REST] != f"{zlib.crc32(line[_REST:].encode('utf-8', 'surrogatepass')):08x}":
        raise DamagedArchive(number, "what is written there is not what was exported")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedArchive(number, f"cannot be read: {error}") from error
    [kind] = [name for name in found if name != "crc"][:1] or ["nothing"]
    if kind not in KINDS or not isinstance(found[kind], dict):
        raise DamagedArchive(
            number, f"a record of the unknown kind {kind!r}: it is of a newer version, upgrade bonanza"
        )
    return kind, found[kind]


def _header(number: int, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    if kind != "study" or content.get("format") != FORMAT:
        raise DamagedArchive(number, "an exported study begins with the study")
    if content.get("version") != VERSION:
        raise DamagedArchive(
            number,
            f"the file is of version {content.get('version')}, this bonanza reads version {VERSION}: upgrade bonanza",
        )
    missing = [name for name in ("name", "space", "spec_hash", "pool_size") if name not in content]
    if missing:
        raise DamagedArchive(number, f"the study lacks {missing[0]!r}")
    return content


def _event(archive: Archive, number: int, content: dict[str, Any]) -> None:
    try:
        archive.replay.add(content)
    except BrokenHistory as error:
        raise DamagedArchive(number, str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedArchive(number, f"this is no event: {type(error).__name__}: {error}") from error
    archive.events.append(content)
    archive.lines.append(number)
