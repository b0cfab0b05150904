"""The dashboard as people use it, in a real browser on a real server with real workers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from bonanza.spaces import space_from_spec
from tests.dashboard.conftest import PATIENCE_MS
from tests.live import NB201, LiveServer, ServerProcess

pytestmark = pytest.mark.chromium

KEY = "correct horse battery staple"
WEIGHED = ("responseHeadersSize", "responseBodySize")
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
MARKUP = "<b>bold</b><script>document.title='hacked'</script>"
Visit = Callable[..., Any]


def heading(page: Any, text: str) -> Any:
    return page.get_by_role("heading", name=text, exact=True)


def figure(page: Any, name: str) -> Any:
    """The number that is told under ``name``."""
    return page.locator(".figures > div", has=page.locator("dt", has_text=name)).locator("dd").first


def shows(locator: Any, text: str | re.Pattern[str]) -> None:
    """Wait until ``locator`` has that text. (The page's policy forbids Playwright's own waiting for an expression.)"""
    from playwright.sync_api import expect

    expect(locator).to_have_text(text, timeout=PATIENCE_MS)


def has_count(locator: Any, count: int) -> None:
    """Wait until there are so many of ``locator``."""
    from playwright.sync_api import expect

    expect(locator).to_have_count(count, timeout=PATIENCE_MS)


def fills(server: LiveServer, name: str, count: int, **fields: Any) -> None:
    """A study of that name with ``count`` results of NAS-Bench-201 cells."""
    server.study(name, **fields)
    space = space_from_spec({"kind": "nasbench201"})
    cells: dict[str, Any] = {}
    for cell in space.enumerate():
        if len(cells) == count:
            break
        cells.setdefault(cell.arch_id, cell)
    told = [
        {"architecture": cell.json, "value": 70.0 + k % 23 + k / 1000, "cost": {"seconds": 60.0}}
        for k, cell in enumerate(cells.values())
    ]
    if told:
        server.post(f"/v1/studies/{name}/observations", {"observations": told})


def unmeasured(server: LiveServer, name: str) -> Any:
    """A cell that a study has not."""
    known = {trial["arch_id"] for trial in server.get(f"/v1/studies/{name}/trials?page_size=1000")["trials"]}
    space = space_from_spec({"kind": "nasbench201"})
    return next(cell.json for cell in space.enumerate() if cell.arch_id not in known)


def test_a_study_is_made_watched_and_steered_by_somebody_who_never_read_the_documentation(
    site: LiveServer, visit: Visit, workers: Callable[..., None]
) -> None:
    page = visit(site)
    page.get_by_role("link", name="New study").first.click()
    page.get_by_role("textbox", name="Name", exact=True).fill("first-try")
    page.get_by_role("img", name=re.compile("A cell drawn at random")).wait_for()
    page.get_by_role("spinbutton", name="Trials", exact=True).fill("40")
    page.get_by_role("textbox", name="Tags", exact=True).fill("demo, mine")
    page.get_by_role("button", name="Create study").click()
    heading(page, "first-try").wait_for()
    heading(page, "Start a worker").wait_for()
    command = page.locator(".command code").first.inner_text()
    assert command.startswith(f"bonanza worker --server {site.url} --study first-try --evaluator ")

    workers(site, "first-try", 2)
    page.get_by_role("img", name=re.compile(r"the best so far is \d+")).wait_for()
    page.get_by_role("img", name=re.compile("The best cell")).wait_for()
    shows(figure(page, "Trials"), re.compile(r"^([6-9]|\d\d) "))
    page.get_by_role("navigation", name="Parts of the study").get_by_role("link", name="Workers").click()
    page.get_by_role("rowheader", name="gpu0:0").wait_for()
    page.get_by_role("rowheader", name="gpu1:0").wait_for()

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("textbox", name="Reason", exact=True).fill(MARKUP)
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    page.get_by_text(MARKUP).wait_for()
    assert site.get("/v1/studies/first-try")["state"] == "paused"
    page.get_by_role("button", name="Queue a cell").click()
    cell = unmeasured(site, "first-try")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Architecture", exact=True).fill(json.dumps(cell))
    dialog.locator(".preview svg").wait_for()
    dialog.get_by_role("button", name="Queue it").click()
    dialog.get_by_text("Queued as").wait_for()
    dialog.get_by_role("button", name="Done").click()
    (queued,) = site.get("/v1/studies/first-try/trials?origin=queue")["trials"]
    assert queued["architecture"] == cell

    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    assert site.get("/v1/studies/first-try")["state"] == "running"

    page.get_by_role("navigation", name="Parts of the study").get_by_role("link", name="Trials").click()
    page.get_by_role("row").nth(3).click()
    heading(page, "Why this cell").wait_for()
    page.get_by_role("img", name=re.compile("The cell:")).wait_for()
    heading(page, "Attempts").wait_for()
    page.go_back()
    page.get_by_role("link", name="Events").click()
    page.get_by_text("study paused").wait_for()


def test_a_result_shows_without_a_reload_and_a_stream_that_breaks_loses_none(site: LiveServer, visit: Visit) -> None:
    fills(site, "live", 5)
    page = visit(site, "/ui/studies/live")
    shows(page.get_by_role("status"), "live")
    site.tell(site.one("live"), 99.5, name="live")
    shows(figure(page, "Best"), "99.50")
    watched = site.app.state.news._watched["live"]
    watched.gone = True  # as if it were deleted: the server ends the stream, and the browser comes back by itself
    site.loop.call_soon_threadsafe(watched.wake)
    shows(page.get_by_role("status"), "server away")
    site.tell(site.one("live"), 99.75, name="live")
    shows(page.get_by_role("status"), "live")
    shows(figure(page, "Best"), "99.75")


def test_a_hidden_tab_closes_its_stream_and_catches_up_when_it_is_seen_again(site: LiveServer, visit: Visit) -> None:
    fills(site, "hidden", 5)
    watched = site.app.state.news._watched
    page = visit(site, "/ui/studies/hidden")
    shows(page.get_by_role("status"), "live")
    assert "hidden" in watched
    turn = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(turn, True)
    shows(page.get_by_role("status"), "resting")
    while "hidden" in watched:
        page.wait_for_timeout(50)
    site.tell(site.one("hidden"), 99.5, name="hidden")
    page.evaluate(turn, False)
    shows(figure(page, "Best"), "99.50")
    shows(page.get_by_role("status"), "live")


def test_names_tags_errors_and_logs_with_markup_are_text(site: LiveServer, visit: Visit) -> None:
    space = {"kind": "edge_cell", "nodes": 2, "ops": ["none", MARKUP]}
    site.study("markup", space=space, tags=[MARKUP[:100]], description=MARKUP)
    site.post(
        "/v1/studies/markup/observations", {"observations": [{"architecture": {"edges": [MARKUP]}, "value": 80.0}]}
    )
    trial = site.one("markup", worker_id="<i>gpu</i>")
    error = {"kind": "code", "message": MARKUP, "traceback_tail": f"line 1\n{MARKUP}"}
    site.tell(trial, name="markup", outcome="failed", error=error, log_tail=f"last line\n{MARKUP}")
    page = visit(site)
    pages = (
        "",
        "/studies/markup",
        "/studies/markup/space",
        "/studies/markup/setup",
        "/studies/markup/events",
        "/studies/markup/workers",
        "/studies/markup/trials/0",
        "/studies/markup/trials/1",
    )
    for path in pages:
        page.goto(f"{site.url}/ui{path}")
        shown = "<i>gpu</i>" if path.endswith("workers") else MARKUP[:40]
        page.get_by_text(shown).filter(visible=True).first.wait_for()
        if path.endswith("trials/0"):
            page.get_by_role("img", name=re.compile("The cell:")).wait_for()
        if path.endswith("trials/1"):
            shows(page.get_by_label("The last lines of the log"), f"last line\n{MARKUP}")
        assert page.locator("main b", has_text="bold").count() == 0
        assert "hacked" not in page.title()


@pytest.fixture(scope="module")
def many(site: LiveServer) -> LiveServer:
    """The site with a study of 2,000 trials."""
    fills(site, "many", 2_000)
    return site


def test_a_page_of_ten_thousand_trials_weighs_less_than_600_kb(many: LiveServer, visit: Visit) -> None:
    page = visit(many, "/ui/studies/many")
    page.get_by_role("img", name=re.compile("A map of ")).wait_for()
    page.get_by_role("img", name=re.compile("The best cell")).wait_for()
    sizes = {
        request.url.removeprefix(many.url): sum(request.sizes()[part] for part in WEIGHED) for request in visit.finished
    }  # type: ignore[attr-defined]
    (columns,) = (path for path in sizes if path.endswith("/columns"))
    assert 10_000 < sizes[columns] < 100_000, "compressed"
    assert any("inter.woff2" in path for path in sizes)
    assert sum(sizes.values()) + 4 * sizes[columns] < 600_000, sizes


def test_of_thousands_of_rows_those_in_sight_are_in_the_page_and_all_are_sorted_and_filtered(
    many: LiveServer, visit: Visit
) -> None:
    site = many
    page = visit(site, "/ui/studies/many/trials")
    grid = page.get_by_role("grid", name="Trials")
    page.locator(".strip i").first.wait_for()
    assert grid.get_attribute("aria-rowcount") == "2001"
    assert 5 < page.locator(".grid-body .tr").count() < 60
    first = page.locator(".grid-body .tr").first
    assert first.locator(".c-number").inner_text() == "1999"
    page.get_by_role("button", name="accuracy").click()
    best = site.get("/v1/studies/many/best?k=1")["trials"][0]
    assert first.locator(".c-number").inner_text() == str(best["number"])
    page.locator(".grid-body").evaluate("element => { element.scrollTop = element.scrollHeight; }")
    page.locator(".grid-body .tr[aria-rowindex='2001']").wait_for()
    page.get_by_label("Filter trials").fill("1234")
    has_count(page.locator(".grid-body .tr"), 1)
    page.locator(".grid-body").focus()
    page.keyboard.press("Enter")
    heading(page, "Trial 1234").wait_for()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a key."""
    with LiveServer(f"sqlite:///{tmp_path_factory.mktemp('keyed')}/s.db", fit_slots=0, admin_key=KEY) as server:
        yield server


def test_a_server_with_a_key_asks_for_it_once(keyed: LiveServer, visit: Visit) -> None:
    page = visit(keyed, "/ui/studies/none")
    heading(page, "This server needs a key").wait_for()
    page.get_by_label("Key", exact=True).fill("not the key at all")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("there is no study").wait_for()
    assert not page.evaluate("document.cookie"), "no script can read the session"
    page.goto(keyed.url + "/ui")
    heading(page, "No studies yet").wait_for()
    page.get_by_role("button", name="Sign out").click()
    heading(page, "This server needs a key").wait_for()
    # The browser tells of every answer that is a refusal: the wrong key, and a study that is not there.
    wrong = visit.wrong  # type: ignore[attr-defined]
    assert all("status of 401" in said or "status of 404" in said for said in wrong)
    wrong.clear()


def test_light_or_dark_is_as_the_system_has_it_until_one_is_chosen(site: LiveServer, visit: Visit) -> None:
    page = visit(site, color_scheme="dark")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(theme) == "light"
    page.reload()
    page.get_by_role("button", name="Dark").wait_for()
    assert page.evaluate(theme) == "light"


QUEUE = "/studies/seen?"
"""With its dialog open."""
PAGES = ("", "/new", "/studies/seen", "/studies/seen/trials", "/studies/seen/space", "/studies/seen/model",
         "/studies/seen/workers", "/studies/seen/events", "/studies/seen/report", "/studies/seen/setup", "/studies/seen/trials/5",
         "/studies/knowing/model", "/nowhere")  # fmt: skip


@pytest.fixture(scope="module")
def seen(site: LiveServer) -> LiveServer:
    """The site with a study that has something on each of its pages."""
    phases = {"baseline": {"cells": 2}, "confirm": {"top": 1, "seeds": 2}}
    fills(site, "seen", 40, tags=["paper"], description="What the pages are looked at with.", phases=phases)
    for value in (71.0, 72.0, 92.0):
        site.tell(site.one("seen", worker_id="gpu0:0"), value, name="seen")
    running = site.one("seen", worker_id="gpu1:0")
    points = [{"step": step, "metrics": {"accuracy": 50.0 + step}} for step in range(9)]
    beat(site, running, "report", points=points, log_tail="epoch 8")
    site.post("/v1/studies/seen/confirm")
    site.tell(site.one("seen", wait_s=50), 92.5, name="seen")
    site.running = running  # type: ignore[attr-defined]
    fills(site, "knowing", 8, strategy={"name": "bonanza", "n_initial": 3})
    trials = site.http.get("/v1/studies/knowing/trials").json()["trials"]
    known = [
        {"architecture": t["architecture"], "features": {"early": t["value"], "late": -t["value"]}} for t in trials
    ]
    # Of measured cells alone features say nothing new: one more that is not makes them a view of the model.
    ops, space = ("none", "skip_connect", "nor_conv_1x1"), space_from_spec(NB201)
    cells = ({"edges": ["nor_conv_3x3", a, b, "none", c, "skip_connect"]} for a, b, c in product(ops, repeat=3))
    measured = {t["arch_id"] for t in trials}
    other = next(cell for cell in cells if space.validate(cell).arch_id not in measured)
    told = [*known[:6], {"architecture": other, "features": {"early": 70.0}}]
    site.post("/v1/studies/knowing/features", {"cells": told}, status=200)
    site.one("knowing", wait_s=50)
    return site


def beat(server: LiveServer, trial: dict[str, Any], verb: str, **fields: Any) -> None:
    """What the worker of a trial of ``seen`` says of it."""
    body = {"lease_token": trial["attempt"]["token"]} | fields
    server.post(f"/v1/studies/seen/trials/{trial['number']}/{verb}", body)


def settled(page: Any) -> None:
    """Wait until the page shows what it has to show."""
    page.locator("h1").wait_for()
    has_count(page.locator(".skeleton"), 0)


def test_what_is_being_measured_blinks_on_the_map_and_its_curve_is_drawn(seen: LiveServer, visit: Visit) -> None:
    page = visit(seen, "/ui/studies/seen", reduced_motion="no-preference")
    page.locator(".blink").first.wait_for()
    page.get_by_role("img", name="Running trials: accuracy by step").wait_for()
    blinks = "element => getComputedStyle(element).animationIterationCount"
    assert page.locator(".blink").first.evaluate(blinks) == "infinite"
    page.emulate_media(reduced_motion="reduce")
    assert page.locator(".blink").first.evaluate(blinks) == "1", "nothing moves for those who asked for that"


def test_the_phases_are_drawn_and_lead_to_the_report(seen: LiveServer, visit: Visit) -> None:
    page = visit(seen, "/ui/studies/seen")
    phases = page.locator(".card", has=heading(page, "Phases"))
    said = ["Baseline done 2 of 2, mean 71.50 ± 0.71", "Search", "Confirmation under way 1 of 2, mean 92.50"]
    labels = phases.locator(".line:not(.foot) .label")
    labels.nth(len(said) - 1).wait_for()
    for line, text in zip(labels.all(), said, strict=True):
        assert " ".join(line.inner_text().split()).startswith(text)
    phases.get_by_role("link", name="the report").click()
    confirmed = page.locator(".card", has=heading(page, "Confirmed cells"))
    confirmed.get_by_role("img", name=re.compile("accuracy: 2 values, 92.50 on average")).wait_for()


def test_what_the_model_goes_by_and_what_is_known_beforehand_are_on_its_page(seen: LiveServer, visit: Visit) -> None:
    page = visit(seen, "/ui/studies/knowing/model")
    heading(page, "What it goes by").wait_for()
    weights = page.get_by_role("progressbar", name=re.compile("Weight of "))
    has_count(weights, 5)
    assert sum(int(one.get_attribute("aria-valuenow")) for one in weights.all()) in range(97, 104)
    page.get_by_role("progressbar", name="Weight of features").wait_for()
    shows(page.get_by_role("row", name=re.compile("^early")), "early761.00")
    shows(page.get_by_role("row", name=re.compile("^late")), "late66-1.00")


def test_the_log_of_a_training_grows_as_it_prints(seen: LiveServer, visit: Visit) -> None:
    running = seen.running  # type: ignore[attr-defined]
    page = visit(seen, f"/ui/studies/seen/trials/{running['number']}")
    log = page.get_by_label("The last lines of the log")
    shows(log, "epoch 8")
    beat(seen, running, "heartbeat", log_tail="epoch 8\nepoch 9")
    shows(log, "epoch 8\nepoch 9")


def test_on_every_page_axe_finds_nothing_serious_in_light_or_dark_and_none_is_wider_than_a_phone(
    seen: LiveServer, visit: Visit
) -> None:
    """The dark has the same elements in other colours: there the contrast is looked at again."""
    from axe_playwright_python.base import AXE_FILE_PATH

    axe = Path(AXE_FILE_PATH).read_text(encoding="utf-8")
    page = visit(seen)
    found: list[str] = []
    for path in (*PAGES, QUEUE):
        page.set_viewport_size(WIDE)
        page.goto(f"{seen.url}/ui{path}")
        settled(page)
        if path == QUEUE:
            page.get_by_role("button", name="Queue a cell").click()
            page.get_by_role("dialog").locator(".preview svg").wait_for()
        page.evaluate(axe)
        for theme, options in (
            ("light", "{ resultTypes: ['violations'] }"),
            ("dark", "{ runOnly: ['color-contrast'] }"),
        ):
            page.evaluate(f"bonanzaTheme('{theme}')")
            found += [
                f"{path} {theme} {rule['id']}: {node['html'][:140]} {node['failureSummary'][:200]}"
                for rule in page.evaluate(f"axe.run(document, {options})")["violations"]
                for node in rule["nodes"][:3]
                if rule["impact"] in {"serious", "critical"}
            ]
        page.set_viewport_size(PHONE)
        until = time.monotonic() + 20
        while (width := page.evaluate("document.documentElement.scrollWidth")) > PHONE["width"]:
            if time.monotonic() > until:
                found.append(f"{path} is {width} pixels wide")
                break
            page.wait_for_timeout(20)  # charts are drawn anew once they have seen how wide they are
    assert found == []


def test_a_server_that_is_killed_and_comes_back_is_watched_on_without_losing_an_event(
    tmp_path: Path, visit: Visit
) -> None:
    server = ServerProcess(f"sqlite:///{tmp_path}/s.db", tmp_path / "server.log", BONANZA_FIT_SLOTS="0")
    server.start()
    study = f"{server.url}/v1/studies/kept"
    api = httpx.Client(timeout=60)
    body = {"space": NB201, "objective": {"name": "accuracy", "direction": "maximize"}, "strategy": {"name": "random"}}

    def measure(value: float) -> None:
        (trial,) = api.post(f"{study}/ask", json={"wait_s": 0}).raise_for_status().json()["trials"]
        told = {"lease_token": trial["attempt"]["token"], "value": value}
        api.post(f"{study}/trials/{trial['number']}/tell", json=told).raise_for_status()

    try:
        api.put(study, json=body).raise_for_status()
        measure(80.0)
        page = visit(server, "/ui/studies/kept/events")
        shows(page.get_by_role("status"), "live")
        measure(81.0)
        page.get_by_text("81.00").first.wait_for()
        server.kill()
        shows(page.get_by_role("status"), "server away")
        server.start()
        for value in (82.0, 83.0, 84.0):
            measure(value)
        shows(figure(page, "Best"), "84.00")
        shows(page.get_by_role("status"), "live")
        measure(85.0)
        shows(figure(page, "Best"), "85.00")
        written = [event["seq"] for event in map(json.loads, api.get(f"{study}/events").text.splitlines())]
        has_count(page.locator(".events .seq"), len(written))
        assert sorted(map(int, page.locator(".events .seq").all_inner_texts())) == written
        page.close()
    finally:
        api.close()
        server.kill()
    wrong = visit.wrong  # type: ignore[attr-defined]
    assert all("net::ERR" in said for said in wrong), wrong
    wrong.clear()
