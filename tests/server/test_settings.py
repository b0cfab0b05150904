"""Settings: from the environment or as arguments, checked where they are given."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bonanza_server.settings import Settings, is_loopback, refusal_to_listen


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the person who runs the tests has exported is not theirs to test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"BONANZA_{name.upper()}", raising=False)


def test_without_any_a_server_keeps_a_file_here_and_listens_to_this_machine_alone() -> None:
    settings = Settings()
    assert settings.database_url == "sqlite:///bonanza.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8423)
    assert settings.admin_key is None
    assert settings.synchronous == "FULL"
    assert refusal_to_listen(settings, has_key=False) is None


def test_every_setting_has_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "database_url": "postgresql://host/nas",
        "host": "10.0.0.7",
        "port": "9000",
        "admin_key": "0123456789abcdef",
        "synchronous": "NORMAL",
        "auto_upgrade": "false",
        "body_limit": "5000",
        "large_body_limit": "6000",
        "import_limit": "7000",
        "fit_slots": "3",
        "executor": "dask://10.0.0.8:8786",
        "poll_s": "5",
        "drain_s": "20",
        "fit_timeout_s": "12.5",
        "fit_memory_mb": "1024",
        "upkeep_s": "0.5",
        "rate_limit": "20",
        "trusted_proxies": "10.0.0.8",
        "keep_reports_days": "30",
        "keep_idempotency_hours": "48",
        "webhook_url": "https://example.org/hook",
        "webhook_secret": "0123456789abcdef",
        "log_format": "json",
        "log_level": "info",
        "sql_threads": "4",
    }
    assert set(given) == set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(f"BONANZA_{name.upper()}", value)
    settings = Settings()
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == given["admin_key"]
    assert (settings.fit_slots, settings.fit_timeout_s, settings.auto_upgrade) == (3, 12.5, False)
    unlike = [name for name in given if getattr(settings, name) == Settings.model_fields[name].default]
    assert unlike == []


def test_an_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONANZA_PORT", "9000")
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", -1),
        ("port", 65_536),
        ("admin_key", "fifteen letters"),
        ("synchronous", "OFF"),
        ("body_limit", 0),
        ("fit_slots", -1),
        ("fit_timeout_s", 0),
        ("upkeep_s", 0),
        ("rate_limit", -1),
        ("sql_threads", 0),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})


def test_the_key_is_in_no_text_of_the_settings() -> None:
    settings = Settings(admin_key="a very secret secret")  # type: ignore[arg-type]
    assert "secret secret" not in f"{settings} {settings!r} {settings.model_dump_json()}"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_loopback_is_what_this_machine_alone_can_reach(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "", "127.0.0.1.nip.io"]
)
def test_every_other_address_needs_a_key(host: str) -> None:
    assert not is_loopback(host)
    refusal = refusal_to_listen(Settings(host=host), has_key=False)
    assert refusal is not None
    assert "export BONANZA_ADMIN_KEY=" in refusal
    assert "BONANZA_KEY" in refusal
    assert "bonanza key create" in refusal
    assert refusal_to_listen(Settings(host=host, admin_key="0123456789abcdef"), has_key=False) is None  # type: ignore[arg-type]
    assert refusal_to_listen(Settings(host=host), has_key=True) is None


def test_behind_a_proxy_a_key_is_needed_on_loopback_too() -> None:
    settings = Settings(trusted_proxies="127.0.0.1")
    assert "behind a proxy" in str(refusal_to_listen(settings, has_key=False))
    assert refusal_to_listen(settings, has_key=True) is None
