"""Keys from their making to their end: kept as hashes, shown once, over, revoked, used, counted; from the command line beside a running server."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from bonanza.cli import main
from bonanza_server import gate, keyring, tally
from bonanza_server.limits import MOST, Buckets
from bonanza_server.store.database import Database
from bonanza_server.store.keys import TOKEN
from bonanza_server.store.models import metadata
from tests.live import LiveServer, create_postgres_database
from tests.server.expect import problem
from tests.server.site import Site, without_waiting_for_the_disk

Run = Callable[..., str]
DAY = 86_400.0


class Open(Site):
    """A site at the root of its addresses."""

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__(url, base="http://localhost", **settings)
        self.url = url
        self.start()

    def get(self, key: str | None, path: str = "/v1/studies") -> httpx.Response:
        return self.send("GET", path, headers={} if key is None else {"Authorization": f"Bearer {key}"})

    def make(self, by: str | None, **fields: Any) -> dict[str, Any]:
        headers = {} if by is None else {"Authorization": f"Bearer {by}"}
        answer = self.send("POST", "/v1/keys", json={"name": "k", "scopes": ["read"]} | fields, headers=headers)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    @property
    def keyring(self) -> keyring.Keyring:
        found: keyring.Keyring = self.app.state.keyring
        return found

    def note(self) -> None:
        """What the server does every quarter of a minute."""
        self.run(self.keyring._note())

    def look(self) -> None:
        """What the server does every two seconds."""
        self.run(self.keyring._refresh())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """One for the tests that do not mind each other's keys."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('keys')}/s.db"
    else:
        url = without_waiting_for_the_disk(create_postgres_database(request.getfixturevalue("postgres"), "keys"))
    with closing(Open(url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(site: Open) -> str:
    """The first key of the site, made while it wanted none."""
    assert site.get(None).status_code == 200
    made: str = site.make(None, name="first", scopes=["admin"])["key"]
    return made


@pytest.fixture
def bonanza(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line; returns what it wrote to standard output."""

    def run(*arguments: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["bonanza", *arguments])
            patch.setenv("COLUMNS", "200")
            with pytest.raises(SystemExit) as ended:
                main()
        assert not ended.value.code
        return capsys.readouterr().out

    return run


def everything_stored(url: str) -> str:
    with closing(Database(url)) as database:
        rows = database.read_now(
            lambda connection: [
                str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table)).all()
            ]
        )
    return "\n".join(rows)


def test_from_the_first_key_on_a_server_wants_one_of_everybody(site: Open, admin: str) -> None:
    problem(site.get(None), "unauthorized", says="this server needs a key")
    assert site.get(admin).status_code == 200
    assert site.get(None, "/healthz").status_code == 200


def test_a_key_is_shown_once_and_nothing_stored_or_answered_later_holds_it(site: Open, admin: str) -> None:
    made = site.make(admin, name="gpu7", scopes=["ask"], study="cifar", expires_in_s=DAY)
    assert TOKEN.fullmatch(made["key"])
    assert made["key"][4:16] == made["id"]
    secret = made["key"][17:]
    assert secret not in everything_stored(site.url)
    for path in ("/v1/keys", "/v1/audit"):
        assert secret not in site.get(admin, path).text
    (listed,) = [key for key in site.get(admin, "/v1/keys").json()["keys"] if key["id"] == made["id"]]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert site.make(admin)["key"] != site.make(admin)["key"]


def test_no_idempotency_key_brings_a_key_back(site: Open, admin: str) -> None:
    headers = {"Authorization": f"Bearer {admin}", "Idempotency-Key": "once"}
    body = {"name": "k", "scopes": ["read"]}
    made = [site.send("POST", "/v1/keys", json=body, headers=headers).json()["key"] for _ in range(2)]
    assert made[0] != made[1]


@pytest.mark.parametrize(
    "change", [lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"), lambda key: key[:16], str.upper]
)
def test_a_key_that_is_nearly_right_opens_nothing(site: Open, admin: str, change: Callable[[str], str]) -> None:
    problem(site.get(change(admin)), "unauthorized")


def test_a_key_is_over_when_its_time_is(site: Open, admin: str) -> None:
    made = site.make(admin, expires_in_s=60)["key"]
    opened = site.send("POST", "/ui/session", json={"key": made})
    cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
    site.clock.advance(59)
    assert site.get(made).status_code == 200
    assert site.send("GET", "/v1/studies", headers=cookie).status_code == 200
    site.clock.advance(2)
    problem(site.get(made), "unauthorized", says="over or revoked")
    problem(site.send("GET", "/v1/studies", headers=cookie), "unauthorized")


def test_a_revoked_key_is_over_at_once_with_its_sessions_and_twice_is_once(site: Open, admin: str) -> None:
    made = site.make(admin)
    opened = site.send("POST", "/ui/session", json={"key": made["key"]})
    cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
    assert site.send("GET", "/v1/studies", headers=cookie).status_code == 200
    for _ in range(2):
        bearer = {"Authorization": f"Bearer {admin}"}
        assert site.send("DELETE", f"/v1/keys/{made['id']}", headers=bearer).status_code == 204
        problem(site.get(made["key"]), "unauthorized")
        problem(site.send("GET", "/v1/studies", headers=cookie), "unauthorized")
    kinds = [event["kind"] for event in site.get(admin, "/v1/audit").json()["events"] if event["key"] == made["id"]]
    assert kinds == ["key.revoked", "session.opened", "key.made"]
    problem(site.send("DELETE", "/v1/keys/000000000000", headers=bearer), "not-found")


def test_a_stream_of_events_ends_with_the_key_it_was_opened_with(tmp_path: Any) -> None:
    with LiveServer(f"sqlite:///{tmp_path}/s.db", fit_slots=0) as server:
        server.study()
        trial = server.one()
        admin = server.post("/v1/keys", {"name": "me", "scopes": ["admin"]})["key"]
        server.http.headers["Authorization"] = f"Bearer {admin}"
        reader = server.post("/v1/keys", {"name": "eyes", "scopes": ["read"]})
        headers = {"Authorization": f"Bearer {reader['key']}", "Accept": "text/event-stream"}
        with httpx.stream("GET", f"{server.url}/v1/studies/s/events", headers=headers, timeout=60) as stream:
            lines = stream.iter_lines()
            while "trial.started" not in next(lines):
                pass
            server.http.delete(f"/v1/keys/{reader['id']}").raise_for_status()
            server.tell(trial, 90.0)
            assert not [line for line in lines if line.startswith("data")]


def test_what_another_process_does_with_keys_holds_here(site: Open, admin: str, bonanza: Run) -> None:
    made = bonanza("key", "create", "elsewhere", "--scope", "read", "--expires", "30d", "--database", site.url).strip()
    assert TOKEN.fullmatch(made)
    assert site.get(made).status_code == 200  # at once: an unknown key is looked for
    listed = bonanza("key", "list", "--database", site.url)
    (line,) = [line for line in listed.splitlines() if "elsewhere" in line]
    assert made[4:16] in line
    assert "until" in line
    assert made not in listed
    assert "revoked" in bonanza("key", "revoke", made[4:16], "--database", site.url)
    site.look()
    problem(site.get(made), "unauthorized")
    assert re.search(r"elsewhere.*revoked", bonanza("key", "list", "--database", site.url))


def test_the_command_makes_the_database_of_a_first_key(bonanza: Run, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    made = bonanza("key", "create", "first", "--scope", "admin", "--database", url).strip()
    with closing(Open(url)) as site:
        problem(site.get(None), "unauthorized")
        assert site.get(made).status_code == 200


def test_when_a_key_was_used_is_known(site: Open, admin: str) -> None:
    made = site.make(admin)
    assert made["last_used_at"] is None
    site.clock.advance(100)
    site.get(made["key"])
    site.note()
    (listed,) = [key for key in site.get(admin, "/v1/keys").json()["keys"] if key["id"] == made["id"]]
    assert listed["last_used_at"] > listed["created_at"]


def test_refusals_are_counted_in_the_audit_and_a_flood_of_them_is_a_row(site: Open, admin: str) -> None:
    reader = site.make(admin)
    site.note()
    for _ in range(3):
        problem(site.get(reader["key"], "/v1/keys"), "forbidden")
    for address in range(2 * tally.MOST_REFUSALS):
        site.keyring.tally.refused(gate.NOBODY, 401, f"192.0.2.{address}")
    site.note()
    events = site.get(admin, "/v1/audit?page_size=1000").json()["events"]
    mine = [event["data"] for event in events if event["kind"] == "refused" and event["key"] == reader["id"]]
    assert mine == [{"status": 403, "address": "127.0.0.1", "times": 3}]
    flood = [event["data"] for event in events if event["data"].get("address", "").startswith(("192.0.2.", "others"))]
    assert len(flood) <= tally.MOST_REFUSALS + 1
    assert sum(data["times"] for data in flood) == 2 * tally.MOST_REFUSALS
    pages, path = [], "/v1/audit?page_size=7"
    while True:
        page = site.get(admin, path).json()
        pages += page["events"]
        if page["next_page_token"] is None:
            break
        path = f"/v1/audit?page_size=7&page_token={page['next_page_token']}"
    assert pages == events


def test_sessions_that_are_left_of_an_admin_key_close_nothing(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    with closing(Open(url, admin_key="chosen by a person")) as site:
        opened = site.send("POST", "/ui/session", json={"key": "chosen by a person"})
        cookie = {"Cookie": opened.headers["set-cookie"].split(";")[0]}
        assert site.send("GET", "/v1/studies", headers=cookie).status_code == 200
    with closing(Open(url, admin_key="another by a person")) as site:
        problem(site.send("GET", "/v1/studies", headers=cookie), "unauthorized")
    with closing(Open(url)) as site:
        assert site.get(None).status_code == 200


def test_wrong_keys_use_up_an_address_and_keys_that_the_server_made_go_on(tmp_path: Any) -> None:
    secret = "chosen by a person"
    with closing(Open(f"sqlite:///{tmp_path}/s.db", admin_key=secret)) as site:
        made = site.make(secret)["key"]
        # No time goes by: five more guesses a second would be allowed to whoever waits, also to a test on a busy machine.
        site.keyring._wrong = Buckets(keyring.WRONG_RATE, keyring.WRONG_BURST, clock=lambda: 0.0)
        answers = [site.get(f"guess {guess}").status_code for guess in range(150)]
        assert answers == [401] * int(keyring.WRONG_BURST) + [429] * (150 - int(keyring.WRONG_BURST))
        refused = site.get(secret)
        problem(refused, "too-many-requests", says="too many wrong keys came from 127.0.0.1")
        assert int(refused.headers["Retry-After"]) >= 1
        problem(site.send("POST", "/ui/session", json={"key": secret}), "too-many-requests")
        assert site.get(made).status_code == 200


def test_a_key_that_asks_too_often_is_told_to_wait_and_others_are_not(tmp_path: Any) -> None:
    with closing(Open(f"sqlite:///{tmp_path}/s.db", rate_limit=1)) as site:
        for _ in range(50):
            assert site.get(None).status_code == 200  # without keys nobody counts
        first = site.make(None, scopes=["admin"])["key"]
        answers = [site.get(first) for _ in range(30)]
        assert [answer.status_code for answer in answers[: int(gate.BURST_S)]] == [200] * int(gate.BURST_S)
        refused = answers[-1]
        problem(refused, "too-many-requests", says="BONANZA_RATE_LIMIT")
        assert int(refused.headers["Retry-After"]) >= 1
        other = {"project": "default", "name": "b", "scopes": ["read"], "study": None, "lasts_s": None, "by": None}
        second = site.run(site.keyring.make(**other))
        assert site.get(second.token).status_code == 200


def test_a_thousand_workers_behind_one_address_do_not_meet_the_limit() -> None:
    """The first three requests of each at once, then a heartbeat in 20 s, an ask and a tell in a minute, a report of itself in 30 s, and a long poll in 10 s."""
    now = 0.0
    buckets = Buckets(500, 500 * gate.BURST_S, clock=lambda: now)
    assert all(buckets.take("key") == 0 for _ in range(3_000))
    a_second = round(1_000 * (1 / 20 + 2 / 60 + 1 / 30 + 1 / 10))
    for second in range(600):
        for request in range(a_second):
            now = second + request / a_second
            assert buckets.take("key") == 0


def test_buckets_refill_and_forget() -> None:
    now = 0.0
    buckets = Buckets(2, 4, clock=lambda: now)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now = 0.5
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    now = 100.0
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0]
    for address in range(3 * MOST):
        buckets.take(address)
    assert len(buckets._full_at) == MOST
    assert Buckets(0, 0).take("a") == 0


def test_a_request_that_a_proxy_passed_on_reaches_no_server_without_keys(tmp_path: Any) -> None:
    with closing(Open(f"sqlite:///{tmp_path}/s.db")) as site:
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded"):
            answer = site.send("GET", "/v1/studies", headers={name: "for=192.0.2.1"})
            problem(answer, "forbidden", says="passed on by a proxy")
    with closing(Open(f"sqlite:///{tmp_path}/p.db", trusted_proxies="127.0.0.1")) as site:
        problem(site.get(None), "unauthorized")
    with closing(Open(f"sqlite:///{tmp_path}/h.db", host="0.0.0.0")) as site:
        problem(site.get(None), "unauthorized")


def test_the_examples_of_the_documentation_are_keys_as_they_are(site: Open) -> None:
    document = json.dumps(site.app.openapi())
    assert all(TOKEN.fullmatch(found) for found in re.findall(r"bnz_[\w-]+", document))
