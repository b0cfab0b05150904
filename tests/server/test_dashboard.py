"""What /ui answers, without a browser: the shell, its assets and their policy, sessions."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from bonanza_server.dashboard import session
from bonanza_server.dashboard.pages import ASSETS
from tests.live import LiveServer
from tests.server.expect import problem

KEY = "correct horse battery staple"
MOST_BYTES = 600_000
"""Of everything that a page loads, compressed."""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with an admin key."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('keyed')}/s.db", fit_slots=0, admin_key=KEY) as server:
        yield server


@pytest.fixture
def browser(keyed: LiveServer) -> Iterator[httpx.Client]:
    """A client that keeps cookies, as a browser does."""
    with httpx.Client(base_url=keyed.url, timeout=30) as http:
        yield http


def test_every_page_is_the_shell_under_a_policy_that_allows_nothing_inline(keyed: LiveServer) -> None:
    for path in ("/ui", "/ui/new", "/ui/studies/x", "/ui/studies/x/trials/3"):
        answer = keyed.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert not re.search(r"<script[^>]*>[^<]|<style|\s(style|on\w+)=", answer.text)


def test_the_shell_names_its_assets_by_their_bytes_and_they_are_kept_and_small(keyed: LiveServer) -> None:
    shell = keyed.http.get("/ui").text
    urls = re.findall(r'(?:href|src)="(/ui/assets/[^"]+)"', shell)
    assert len(urls) >= 4
    weight = len(gzip.compress(shell.encode()))
    for url in [*urls, "/ui/assets/inter.woff2", "/ui/assets/jetbrains-mono.woff2"]:
        with keyed.http.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            weight += sum(len(chunk) for chunk in answer.iter_raw())
    assert weight < MOST_BYTES
    problem(keyed.http.get("/ui/assets/pages.py"), "not-found")


def test_the_assets_load_nothing_from_elsewhere() -> None:
    for path in ASSETS.iterdir():
        if path.suffix in {".js", ".css"}:
            text = path.read_text(encoding="utf-8")
            hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org"}
            assert not hosts, f"{path.name} names {hosts}"
            assert "eval(" not in text.replace("retrieval(", "")
            assert "innerHTML" not in text or path.name == "app.js"


def test_the_root_leads_people_to_the_dashboard_and_programs_to_the_documentation(keyed: LiveServer) -> None:
    page = keyed.http.get("/", headers={"Accept": "text/html,*/*"})
    assert (page.status_code, page.headers["location"]) == (307, "/ui")
    assert keyed.http.get("/").headers["location"] == "/docs"


def test_a_key_makes_a_session_that_opens_the_api(browser: httpx.Client) -> None:
    assert browser.get("/ui/session").json() == {"needed": True, "signed_in": False, "scopes": [], "version": browser.get("/healthz").json()["version"]}  # fmt: skip
    problem(browser.get("/v1/studies"), "unauthorized")
    problem(browser.post("/ui/session", json={"key": "wrong"}), "unauthorized", says="BONANZA_ADMIN_KEY")
    answer = browser.post("/ui/session", json={"key": f" {KEY} "})
    assert answer.status_code == 204
    cookie = SimpleCookie(answer.headers["set-cookie"])[session.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert KEY not in answer.headers["set-cookie"]
    assert browser.get("/v1/studies").status_code == 200
    assert browser.get("/ui/session").json()["scopes"] == ["read", "ask", "write", "admin"]
    browser.delete("/ui/session")
    problem(browser.get("/v1/studies"), "unauthorized")


def test_a_session_changes_things_for_our_own_page_only(browser: httpx.Client, keyed: LiveServer) -> None:
    browser.post("/ui/session", json={"key": KEY})
    body = {"space": {"kind": "nasbench201"}, "objective": {"direction": "maximize"}}
    other = browser.put("/v1/studies/a", json=body, headers={"Origin": "https://evil.example"})
    problem(other, "forbidden", says="https://evil.example")
    own = browser.put("/v1/studies/a", json=body, headers={"Origin": keyed.url})
    assert own.status_code == 201


@pytest.mark.parametrize("given", ["", "x", "1.2", "99999999999.x", "9" * 400 + ".x", "a.b.c", "²³.x"])
def test_a_made_up_session_opens_nothing(keyed: LiveServer, given: str) -> None:
    headers = {"Cookie": f"{session.COOKIE}={given}".encode()}
    problem(httpx.get(keyed.url + "/v1/studies", headers=headers), "unauthorized")


def test_a_session_ends_with_sign_out_wherever_its_cookie_is(browser: httpx.Client, keyed: LiveServer) -> None:
    browser.post("/ui/session", json={"key": KEY})
    stolen = {"Cookie": f"{session.COOKIE}={browser.cookies[session.COOKIE]}"}
    assert httpx.get(keyed.url + "/v1/studies", headers=stolen).status_code == 200
    browser.delete("/ui/session")
    problem(httpx.get(keyed.url + "/v1/studies", headers=stolen), "unauthorized")


def test_a_session_is_no_key_and_a_key_no_session(browser: httpx.Client, keyed: LiveServer) -> None:
    browser.post("/ui/session", json={"key": KEY})
    bearer = {"Authorization": f"Bearer {browser.cookies[session.COOKIE]}"}
    problem(httpx.get(keyed.url + "/v1/studies", headers=bearer), "unauthorized")
    made = browser.post("/v1/keys", json={"name": "k", "scopes": ["read"]}).json()["key"]
    cookie = {"Cookie": f"{session.COOKIE}={made}"}
    problem(httpx.get(keyed.url + "/v1/studies", headers=cookie), "unauthorized")


def test_without_a_key_nobody_signs_in(server: LiveServer) -> None:
    about = server.get("/ui/session")
    assert (about["needed"], about["signed_in"]) == (False, False)
    assert "write" in about["scopes"]
    assert server.http.post("/ui/session", json={"key": "anything"}).status_code == 204


def test_the_licences_of_what_is_built_in_are_with_it() -> None:
    text = (Path(ASSETS) / "licences.txt").read_text(encoding="utf-8")
    for name in ("Preact", "uPlot", "Inter", "JetBrains Mono"):
        assert name in text
