"""How a server is set up: environment variables with the prefix ``BONANZA_``, or arguments of the command line."""

from __future__ import annotations

import ipaddress
import socket
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bonanza_server.standard_webhook import key_of
from bonanza_server.store.retention import Retention

CREATE_A_KEY = "bonanza key create first --scope admin"
MAKE_A_KEY = "export BONANZA_ADMIN_KEY=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"

SIGN_WITH = MAKE_A_KEY.replace("ADMIN_KEY", "WEBHOOK_SECRET")

SHORTEST_KEY = 16


def _long_enough(key: SecretStr | None) -> SecretStr | None:
    if key is not None and len(key.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"a key of fewer than {SHORTEST_KEY} characters can be guessed; make one with {MAKE_A_KEY}")
    return key


def _signs(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(key_of(secret.get_secret_value())) < SHORTEST_KEY:
        raise ValueError(f"a secret of fewer than {SHORTEST_KEY} bytes can be guessed; make one with {SIGN_WITH}")
    return secret


class Settings(BaseSettings):
    """One value, passed to ``create_app``; nothing reads the environment later."""

    model_config = SettingsConfigDict(env_prefix="BONANZA_", frozen=True)

    database_url: str = "sqlite:///bonanza.db"
    host: str = "127.0.0.1"
    port: int = Field(default=8423, ge=0, le=65535)
    admin_key: Annotated[SecretStr | None, AfterValidator(_long_enough)] = Field(
        default=None, description="Bearer key for everything; needed beyond loopback"
    )
    synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="SQLite: NORMAL is quicker, but a power cut may lose the last acknowledged results"
    )
    auto_upgrade: bool = Field(default=True, description="bring the schema to the newest revision on start")
    body_limit: int = Field(
        default=1_000_000,
        ge=1_000,
        description="bytes; the body of a study, of observations and of features may have large_body_limit",
    )
    large_body_limit: int = Field(default=16_000_000, ge=1_000)
    import_limit: int = Field(default=256_000_000, ge=1_000, description="bytes of an exported study that is imported")
    fit_slots: int = Field(default=1, ge=0, le=64, description="processes that fit models; 0: this server fits nothing")
    executor: str = Field(
        default="local",
        pattern=r"^(local|dask(\+tls)?://[^/\s]+:\d+)$",
        description="where models are fitted: in processes here, or on the Dask cluster of the scheduler at dask://host:port",
    )
    fit_timeout_s: float = Field(default=300, gt=0)
    fit_memory_mb: int = Field(default=4096, ge=512)
    upkeep_s: float = Field(default=1, gt=0, description="how often leases are checked")
    poll_s: float = Field(default=2, gt=0, description="how often asks that wait look without having been woken")
    drain_s: float = Field(
        default=0, ge=0, le=600, description="how long a server that is told to stop serves on, while /readyz says so"
    )
    keep_reports_days: float | None = Field(
        default=None,
        gt=0,
        description="how long learning curves are kept once their trial has ended; for ever by default",
    )
    keep_idempotency_hours: float = Field(
        default=24, gt=0, description="how long a POST sent again has its first answer"
    )
    webhook_secret: Annotated[SecretStr | None, AfterValidator(_signs)] = Field(
        default=None,
        description="signs what is sent there, as Standard Webhooks have it; whsec_ and base64, or any text",
    )
    webhook_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+$",
        description="where news of studies is sent: a new best, finished, paused, a worker in quarantine",
    )
    log_format: Literal["text", "json"] = Field(default="text", description="lines for people, or JSON for machines")
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        default=None,
        description="from which on lines are written; info has every request; warning for text, info for json by default",
    )
    rate_limit: float = Field(
        default=500,
        ge=0,
        description="requests a second of one key, or of one address without; 0: any number. Ten seconds' worth may come at once",
    )
    trusted_proxies: str = Field(
        default="", description="addresses of reverse proxies, by commas, whose X-Forwarded-For and -Proto are believed"
    )
    sql_threads: int = Field(default=8, ge=1, le=100, description="PostgreSQL transactions at a time")

    @field_validator("webhook_url")
    @classmethod
    def _signed(cls, url: str | None, given: ValidationInfo) -> str | None:
        if url is not None and given.data.get("webhook_secret") is None:
            raise ValueError(f"needs a secret that signs what is sent there; make one with {SIGN_WITH}")
        return url

    @property
    def scheduler(self) -> str | None:
        """The address of the Dask scheduler as Dask writes it; None: fits run here."""
        if self.executor == "local":
            return None
        scheme, _, address = self.executor.partition("://")
        return f"{'tls' if scheme.endswith('tls') else 'tcp'}://{address}"

    @property
    def key(self) -> bytes | None:
        """The admin key as it is compared; None: no key is needed."""
        return None if self.admin_key is None else self.admin_key.get_secret_value().strip().encode()

    @property
    def retention(self) -> Retention:
        """What is kept how long, in seconds."""
        reports = None if self.keep_reports_days is None else self.keep_reports_days * 86_400
        return Retention(reports, self.keep_idempotency_hours * 3_600)


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refusal_to_listen(settings: Settings, *, has_key: bool) -> str | None:
    """Why this server must not start listening, with the commands that mend it; None when it may. ``has_key``: its database has a key that opens something."""
    if settings.admin_key is not None or has_key or (is_loopback(settings.host) and not settings.trusted_proxies):
        return None
    where = settings.host if not is_loopback(settings.host) else f"{settings.host} behind a proxy"
    return (
        f"will not listen on {where} without a key: anybody who reaches {socket.gethostname()} could change your studies. Make one:\n"
        f"  {CREATE_A_KEY}\n"
        "which keeps no more than a hash of it in the database, or\n"
        f"  {MAKE_A_KEY}\n"
        "and give your workers one as BONANZA_KEY. Or listen on 127.0.0.1."
    )
