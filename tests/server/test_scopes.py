"""Every scope against every operation, projects, and keys bound to a study, on one running application in process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from bonanza_server import access
from bonanza_server.access import INCLUDES, SCOPES, needs
from bonanza_server.body import GuardedRoute, guarded
from bonanza_server.examples import BODIES
from bonanza_server.gate import OPEN
from bonanza_server.key_command import create
from tests.live import LiveServer, create_postgres_database
from tests.server.expect import problem
from tests.server.site import Site, without_waiting_for_the_disk

KEY = "correct horse battery staple"
Json = dict[str, Any]
NB201 = {"kind": "nasbench201"}
STUDY = {"space": NB201, "objective": {"name": "accuracy", "direction": "maximize"}, "strategy": {"name": "random"}}
SLOW = {
    "getAtlas",
    "getReport",
    "exportCode",
    "sampleSpace",
    "validateArchitectures",
    "validateForStudy",
    "listNeighbours",
}
"""Operations that start a process to answer: one scope that opens them is enough to try."""


class Office:
    """A site with an admin key, and whoever has a key of it."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def send(self, key: str | None, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        given = {} if key is None else {"Authorization": f"Bearer {key}"}
        answer = self.site.send(method, path, json=body, headers=given | headers)
        assert answer.status_code != 500, answer.text
        return answer

    def done(self, key: str, method: str, path: str, body: Any = None, **headers: str) -> Json:
        answer = self.send(key, method, path, body, **headers)
        assert answer.status_code < 300, answer.text
        found: Json = answer.json() if answer.content else {}
        return found

    def key(self, *scopes: str, by: str = KEY, **fields: Any) -> str:
        made = self.done(by, "POST", "/v1/keys", {"name": "k", "scopes": list(scopes)} | fields)
        return str(made["key"])

    def study(self, key: str, name: str, **fields: Any) -> None:
        self.done(key, "PUT", f"/v1/studies/{name}", STUDY | fields)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all tests here; each has studies of its own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('office')}/s.db"
    else:
        url = without_waiting_for_the_disk(create_postgres_database(request.getfixturevalue("postgres"), "office"))
    site = Site(url, base="http://localhost", admin_key=KEY)
    site.start()
    yield Office(site)
    site.close()


def operations(office: Office) -> Iterator[tuple[str, str, str, set[str], Json | None]]:
    """Method, path template, id, scopes, and an example of the body; what deletes the study comes last."""
    document = office.site.app.openapi()
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scopes = {scope for way in operation["security"] for scope in way.get("key", ())}
            content = operation.get("requestBody", {}).get("content", {})
            body = None
            if "application/json" in content:
                reference = re.findall(r"schemas/(\w+)", str(content["application/json"]["schema"]))
                body = BODIES[reference[0]]
            found.append((method.upper(), path, operation["operationId"], scopes, body))
    yield from sorted(found, key=lambda operation: operation[2] == "deleteStudy")


async def nothing() -> None: ...


def filled(path: str, study: str) -> str:
    return (
        path.replace("{study}", study)
        .replace("{number}", "0")
        .replace("{kind}", "nasbench201")
        .replace("{worker}", "gpu7")
        .replace("{key}", "0" * 12)
    )


def test_no_route_is_without_a_scope_unless_it_is_for_anybody(office: Office) -> None:
    app = office.site.app
    for path, methods in app.openapi()["paths"].items():
        for operation in methods.values():
            assert (operation["security"] == []) == (path in OPEN), path
    plain = {route.path for route in app.routes if isinstance(route, APIRoute) and not isinstance(route, GuardedRoute)}
    assert plain <= OPEN

    router = APIRouter(route_class=GuardedRoute)
    with pytest.raises(TypeError, match=r"/v1/new declares no scope: give it openapi_extra=needs"):
        router.get("/v1/new")(nothing)
    unguarded = APIRouter()
    unguarded.get("/v1/new", openapi_extra=needs("read"))(nothing)
    with pytest.raises(TypeError, match="asks for no scope"):
        guarded(unguarded)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_what_it_includes_and_nothing_else(office: Office, scope: Any) -> None:
    name = f"scope-{scope}"
    office.study(KEY, name)
    office.done(KEY, "POST", f"/v1/studies/{name}/ask", {"wait_s": 0})
    key = office.key(scope)
    for method, path, operation, scopes, body in operations(office):
        if scopes & INCLUDES[scope]:
            if operation in SLOW and scope not in scopes:
                continue
            headers = {"If-Match": '"1"'}
            given = filled(path, name)
            if operation == "importStudy":
                answer = office.site.send(
                    "POST",
                    given,
                    content=b"{}",
                    headers={"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"},
                )
            else:
                answer = office.send(key, method, given, body, **headers)
            assert answer.status_code not in {401, 403, 405}, f"{operation}: {answer.text}"
        elif scopes:
            before = office.done(KEY, "GET", f"/v1/studies/{name}")
            content = office.send(key, method, filled(path, name), body if operation != "importStudy" else None)
            refused = problem(content, "forbidden", says="this needs a key with the scope")
            assert all(needed in refused["detail"] for needed in scopes)
            assert office.done(KEY, "GET", f"/v1/studies/{name}") == before, operation


def test_a_refused_request_is_refused_before_its_body_is_read(office: Office) -> None:
    key = office.key("read")
    office.study(KEY, "unread")
    for body in ("not json", "9" * 100_000, "[" * 100_000):
        answer = office.site.send(
            "POST",
            "/v1/studies/unread/ask",
            content=body,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        problem(answer, "forbidden")


def test_a_workers_key_works_at_its_study_and_sees_no_other(office: Office) -> None:
    for name in ("mine", "other"):
        office.study(KEY, name)
    theirs = office.done(KEY, "POST", "/v1/studies/other/ask", {"wait_s": 0})["trials"][0]
    key = office.key("ask", study="mine")
    trial = office.done(key, "POST", "/v1/studies/mine/ask", {"wait_s": 0, "worker_id": "gpu7"})["trials"][0]
    token, path = {"lease_token": trial["attempt"]["token"]}, f"/v1/studies/mine/trials/{trial['number']}"
    assert office.done(key, "POST", f"{path}/heartbeat", token)["directive"] == "continue"
    office.done(key, "POST", f"{path}/report", token | {"points": [{"step": 1, "metrics": {"accuracy": 50.0}}]})
    assert office.done(key, "POST", f"{path}/tell", token | {"value": 90.0})["state"] == "complete"
    assert office.done(key, "GET", "/v1/studies/mine")["trials"]["complete"] == 1
    office.done(key, "PUT", "/v1/workers/gpu7", {"study": "mine"})

    problem(office.send(key, "PUT", "/v1/workers/gpu7", {"study": "other"}), "forbidden", says="'mine' alone")
    stolen = {"lease_token": theirs["attempt"]["token"], "value": 1.0}
    for method, rest, body in [
        ("GET", "", None),
        ("POST", "/ask", {"wait_s": 0}),
        ("POST", f"/trials/{theirs['number']}/tell", stolen),
        ("POST", f"/trials/{theirs['number']}/heartbeat", {"lease_token": stolen["lease_token"]}),
    ]:
        problem(
            office.send(key, method, f"/v1/studies/other{rest}", body), "forbidden", says="for the study 'mine' alone"
        )
    for method, place in [
        ("GET", "/v1/studies"),
        ("GET", f"{path}"),
        ("POST", "/v1/studies/mine/pause"),
        ("GET", "/v1/workers"),
    ]:
        problem(office.send(key, method, place), "forbidden")


def test_the_worker_daemon_needs_no_more_than_its_key_opens(tmp_path: Path) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        server.study()
        key = server.post("/v1/keys", {"name": "gpu7", "scopes": ["ask"], "study": "s"})["key"]
        admin = create(server.settings.database_url, name="me", scopes=["admin"])
        server.http.headers["Authorization"] = f"Bearer {admin}"
        worker = [sys.executable, "-m", "bonanza.cli", "worker", "--study", "s", "--evaluator", "command:echo 93.1"]
        ran = subprocess.run(
            [*worker, "--max-trials", "2", "--worker-id", "gpu7"],
            env=os.environ
            | {"BONANZA_SERVER": server.url, "BONANZA_KEY": key, "BONANZA_SPOOL": str(tmp_path / "spool")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert server.get("/v1/studies/s")["trials"]["complete"] == 2
        assert server.get("/v1/workers/gpu7")["study"] == "s"


def test_a_readers_key_of_one_study_sees_lists_with_that_study_alone(office: Office) -> None:
    for name in ("shown", "hidden"):
        office.study(KEY, name)
        office.done(KEY, "PUT", f"/v1/workers/of-{name}", {"study": name})
    key = office.key("read", study="shown")
    assert [study["name"] for study in office.done(key, "GET", "/v1/studies")["studies"]] == ["shown"]
    assert [glance["study"]["name"] for glance in office.done(key, "GET", "/v1/overview")["studies"]] == ["shown"]
    assert [worker["id"] for worker in office.done(key, "GET", "/v1/workers")["workers"]] == ["of-shown"]
    problem(office.send(key, "GET", "/v1/workers/of-hidden"), "not-found")
    problem(office.send(key, "GET", "/v1/studies/hidden/trials"), "forbidden")
    assert office.send(key, "GET", "/v1/studies/shown/columns").status_code == 200


@pytest.mark.parametrize("scopes", [["write"], ["admin"], ["read", "write"], [], ["root"], "read", ["read"] * 5])
def test_a_key_with_scopes_that_make_no_sense_is_not_made(office: Office, scopes: Any) -> None:
    answer = office.send(KEY, "POST", "/v1/keys", {"name": "k", "scopes": scopes, "study": "s"})
    problem(answer, "invalid")


def test_projects_do_not_see_each_other(office: Office) -> None:
    a, b = (office.key("admin", project=project) for project in ("lab-a", "lab-b"))
    for key, tag in ((a, "of-a"), (b, "of-b")):
        office.study(key, "same", tags=[tag])
        office.done(key, "PUT", "/v1/workers/gpu7", {"study": "same", "host": tag})
    office.study(a, "only-a")
    problem(office.send(KEY, "GET", "/v1/studies/same"), "not-found")
    for key, tag, names in ((a, "of-a", ["only-a", "same"]), (b, "of-b", ["same"])):
        assert office.done(key, "GET", "/v1/studies/same")["tags"] == [tag]
        assert [study["name"] for study in office.done(key, "GET", "/v1/studies")["studies"]] == names
        assert {glance["study"]["name"] for glance in office.done(key, "GET", "/v1/overview")["studies"]} == set(names)
        assert [worker["host"] for worker in office.done(key, "GET", "/v1/workers")["workers"]] == [tag]
    for method, path, body in [
        ("GET", "/v1/studies/only-a", None),
        ("GET", "/v1/studies/only-a/export", None),
        ("POST", "/v1/studies/only-a/ask", {"wait_s": 0}),
        ("DELETE", "/v1/studies/only-a", None),
    ]:
        problem(office.send(b, method, path, body), "not-found")

    # The same Idempotency-Key, the same bytes: two projects, two effects.
    asked = [
        office.done(key, "POST", "/v1/studies/same/ask", {"wait_s": 0}, **{"Idempotency-Key": "one"})["trials"][0]
        for key in (a, b)
    ]
    assert asked[0]["attempt"]["token"] != asked[1]["attempt"]["token"]
    told = {"lease_token": asked[0]["attempt"]["token"], "value": 90.0}
    problem(office.send(b, "POST", "/v1/studies/same/trials/0/tell", told), "unknown-token")
    office.done(a, "POST", "/v1/studies/same/trials/0/tell", told)
    assert [office.done(key, "GET", "/v1/studies/same")["trials"]["complete"] for key in (a, b)] == [1, 0]


def test_an_admin_of_a_project_has_the_keys_of_that_project_alone(office: Office) -> None:
    a = office.key("admin", project="keys-a")
    problem(office.send(a, "POST", "/v1/keys", {"name": "k", "scopes": ["read"], "project": "keys-b"}), "forbidden")
    reader = office.key("read", by=a)
    assert {key["project"] for key in office.done(a, "GET", "/v1/keys")["keys"]} == {"keys-a"}
    b = office.key("admin", project="keys-b")
    problem(office.send(b, "DELETE", f"/v1/keys/{reader[4:16]}"), "not-found")
    assert office.send(reader, "GET", "/v1/studies").status_code == 200
    office.done(a, "DELETE", f"/v1/keys/{reader[4:16]}")
    problem(office.send(reader, "GET", "/v1/studies"), "unauthorized")
    kinds = [(event["kind"], event["project"]) for event in office.done(a, "GET", "/v1/audit")["events"]]
    assert kinds == [("key.revoked", "keys-a"), ("key.made", "keys-a"), ("key.made", "keys-a")]


def test_a_session_of_the_dashboard_opens_what_its_key_opens(office: Office) -> None:
    office.study(KEY, "looked-at")
    answer = office.site.send("POST", "/ui/session", json={"key": office.key("read", study="looked-at")})
    assert answer.status_code == 204
    cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
    office.site.send("GET", "/ui/session").raise_for_status()
    assert office.site.send("GET", "/ui/session", headers=cookie).json()["scopes"] == ["read"]
    assert office.site.send("GET", "/v1/studies/looked-at", headers=cookie).status_code == 200
    problem(office.site.send("POST", "/v1/studies/looked-at/pause", headers=cookie), "forbidden", says="scope write")
    problem(office.site.send("GET", "/v1/studies/mine", headers=cookie), "forbidden")


def test_work_that_no_request_asked_for_has_no_project_by_default() -> None:
    with pytest.raises(LookupError):
        access.project()
