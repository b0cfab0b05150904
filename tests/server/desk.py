"""A study under way, at which bad requests are thrown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from tests.server.expect import problem
from tests.server.lab import Lab

CELL = {"edges": ["nor_conv_3x3"] * 6}

Refusal = tuple[str, str | None]
"""A problem type, and the pointer that one of its errors must have."""


class Raw(str):
    """A body that is sent as it is."""

    __slots__ = ()


class Desk:
    """A study under way, at which bad requests are thrown."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.study(objective={"name": "accuracy", "direction": "maximize", "bounds": [0, 100]})
        lab.tell(lab.one(), 91.5)
        self.held = lab.one()
        self.number = self.held["number"]
        self.token = self.held["attempt"]["token"]

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send ``body`` to a path below the study's, or to that path where it is a whole one."""
        content = None if body is None else (body if isinstance(body, Raw) else json.dumps(body)).encode()
        media = {} if body is None else {"Content-Type": "application/json"}
        whole = path if path.startswith("/v1") else f"/v1/studies/{self.lab.name}{path}"
        return self.lab.server.http.request(method, whole, content=content, headers=media | headers)

    def state(self) -> list[str]:
        """Everything that can be read, of this study and of all."""
        paths = ("", "/trials", "/events", "/model", "/best?k=9", "/v1/studies?page_size=1000")
        return [self.send("GET", path).text for path in paths]

    def refuses(self, method: str, path: str, cases: list[tuple[Any, Refusal]], **headers: str) -> None:
        """Each body is refused as it should be."""
        for body, (slug, pointer) in cases:
            answer = self.send(method, path, body, **headers)
            assert answer.status_code >= 400, f"took {body!r:.200}"
            problem(answer, slug, at=pointer)


def watched(lab: Lab) -> Iterator[Desk]:
    """A desk; when the test is over everything that can be read must be as it was."""
    desk = Desk(lab)
    before = desk.state()
    yield desk
    assert desk.state() == before


def invalid(pointer: str | None = None) -> Refusal:
    return "invalid", pointer
