"""One server over HTTP: time-outs, keep-alive, retries. The only module of the SDK that knows httpx.

What is retried: no connection, a connection that broke, no answer in time, 408, 429, 502, 503, 504, and the 409 that says the same request is still
being worked on. All tries of one request carry one Idempotency-Key, so a lost answer is fetched again instead of asked for twice. Nothing else
is retried: any other 409 is a real conflict. Pauses have full jitter (uniform from 0 to a bound that doubles), so a thousand
clients do not come back as one; a Retry-After is waited out first.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from pydantic import ValidationError

from bonanza.address import is_this_machine, server_address
from bonanza.errors import (
    BonanzaError,
    InvalidRequest,
    RequestInFlight,
    ServerUnreachable,
    UnexpectedAnswer,
    from_problem,
)
from bonanza.problems import PREFIX
from bonanza.reply import Reply
from bonanza.schemas import JSON, Problem
from bonanza.tracing import VARIABLE, accepted
from bonanza.version import __version__

Network = httpx.BaseTransport
"""The seam under the SDK: whatever carries a request to a server and an answer back."""

CONNECT_S: Final = 5.0
READ_S: Final = 30.0  # on top of the time a request asks the server to hold it
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 10.0  # a server back after an outage hears from everybody within this
KEEP_ALIVE_S: Final = 60.0  # less than the server's 75, so that we rarely send into a connection it is closing
PATIENCE_S: Final = 60.0
RETRIED: Final = frozenset({408, 429, 502, 503, 504})
EXCERPT: Final = 200


class _Failure(Exception):
    """One try came to nothing; ``again`` says whether another may do better, not before ``after_s``."""

    def __init__(self, error: BonanzaError, *, again: bool, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.after_s = after_s


class Transport:
    """A server at ``server``, spoken to with ``key``. Safe to share between threads; a fork gets connections of its own."""

    def __init__(
        self,
        server: str,
        *,
        key: str | None = None,
        patience_s: float = PATIENCE_S,
        network: Network | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect lazily.

        Args:
            server: where the server is, for example ``http://127.0.0.1:8423``; a path in front of ``/v1`` is kept.
            key: sent as a bearer key.
            patience_s: tries of one request begin no later than this after its first.
            network: carries the requests; the real one by default.
            rng: the jitter's generator. Only tests give one: equal seeds would undo what jitter is for.
            clock: monotonic seconds, for the patience.
            sleep: how to pause.

        Raises:
            InvalidRequest: ``server`` is no http URL.
        """
        self.server = server_address(server)
        self.patience_s = patience_s
        self._headers = {"Accept": "application/json", "User-Agent": f"bonanza-python/{__version__}"}
        if (trace := accepted(os.environ.get(VARIABLE))) is not None:
            self._headers["traceparent"] = trace
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._network = network
        self._rng = rng or random.Random()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._http: httpx.Client | None = None
        self._pid = os.getpid()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: JSON | None = None,
        lines: str | None = None,
        params: Mapping[str, str | int] | None = None,
        key: str | None = None,
        keyed: bool = True,
        if_match: str | None = None,
        hold_s: float = 0.0,
        patience_s: float | None = None,
    ) -> Reply:
        """The successful answer to one request, over as many tries as it takes.

        Args:
            method: the HTTP verb.
            path: from the server's root, for example ``/v1/studies``.
            body: sent as JSON; NaN and infinities are refused, JSON has none.
            lines: sent instead of a body, as ndjson.
            params: the query.
            key: the Idempotency-Key of a POST; a new one, the same for all its tries, by default.
            keyed: False for a POST that may be done twice (a heartbeat), so that the server need not remember its answer.
            if_match: the revision the request is about.
            hold_s: how long the request asks the server to hold it; the time to answer begins after that.
            patience_s: instead of the transport's own, on top of ``hold_s``.

        Raises:
            ProblemError: the server's answer, of the class of its type; also when it asked to try later until the patience was used up.
            ServerUnreachable: no answer until the patience was used up.
            UnexpectedAnswer: whatever answered is not a Bonanza server.
        """
        headers = dict(self._headers)
        if method == "POST" and keyed:
            headers["Idempotency-Key"] = key or uuid.uuid4().hex
        if if_match is not None:
            headers["If-Match"] = if_match
        if lines is not None:
            headers["Content-Type"] = "application/x-ndjson"
        try:
            request = self._client().build_request(
                method,
                self.server + path,
                json=body,
                content=None if lines is None else lines.encode("utf-8", "surrogateescape"),
                params=params,
                headers=headers,
                timeout=httpx.Timeout(READ_S, connect=CONNECT_S, read=hold_s + READ_S),
            )
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"the body is not JSON: {error}") from error
        deadline = self._clock() + hold_s + (self.patience_s if patience_s is None else patience_s)
        bound = FIRST_PAUSE_S
        while True:
            try:
                return self._once(request)
            except _Failure as failure:
                pause = failure.after_s + self._rng.uniform(0, bound)
                if not failure.again or self._clock() + pause > deadline:
                    raise failure.error from failure.__cause__
            self._sleep(pause)
            bound = min(2 * bound, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close the connections; a later ``send`` opens new ones."""
        with self._lock:
            http, self._http = self._http, None
        if http is not None and self._pid == os.getpid():
            http.close()

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None or self._pid != os.getpid():
                # A forked child must not write into its parent's connections: it leaves them alone and opens its own.
                self._pid = os.getpid()
                self._http = httpx.Client(
                    transport=self._network,
                    limits=httpx.Limits(max_keepalive_connections=8, keepalive_expiry=KEEP_ALIVE_S),
                    trust_env=not is_this_machine(self.server),  # a proxy's loopback is another machine's
                )
            return self._http

    def _once(self, request: httpx.Request) -> Reply:
        try:
            answer = self._client().send(request)
        except httpx.RequestError as error:
            again = isinstance(error, httpx.TransportError) and not isinstance(error, httpx.LocalProtocolError)
            raise _Failure(ServerUnreachable(self._unreachable(error)), again=again) from error
        if answer.is_success:
            return Reply(self.server, answer.status_code, self._body(answer))
        problem = _problem(answer)
        refusal = from_problem(problem) if problem is not None else self._unexpected(answer)
        again = answer.status_code in RETRIED or isinstance(refusal, RequestInFlight)
        raise _Failure(refusal, again=again, after_s=_retry_after(answer, problem))

    def _body(self, answer: httpx.Response) -> Any:
        if not answer.content:
            return None
        if answer.headers.get("content-type", "").partition(";")[0] != "application/json":
            return answer.text
        try:
            return answer.json()
        except ValueError as error:
            raise _Failure(self._unexpected(answer), again=False) from error

    def _unreachable(self, error: httpx.RequestError) -> str:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return f"cannot reach {self.server} ({error or 'no connection in time'}): is the server up (bonanza serve), and is the address right?"
        return f"no answer from {self.server} ({error or type(error).__name__}): the connection broke or the server is too slow"

    def _unexpected(self, answer: httpx.Response) -> UnexpectedAnswer:
        said = " ".join(answer.text.split())[:EXCERPT]
        if answer.is_redirect:
            said = f"a redirect to {answer.headers.get('location')}"
        return UnexpectedAnswer(
            f"{self.server} answered {answer.status_code}, but not as a Bonanza server: {said or 'nothing'}. Is the address right?",
            status=answer.status_code,
        )


def _problem(answer: httpx.Response) -> Problem | None:
    """The problem in an answer; None where a proxy or another service answered."""
    try:
        problem = Problem.model_validate(answer.json())
    except (ValueError, ValidationError):
        return None
    return problem if problem.type.startswith(PREFIX) else None


def _retry_after(answer: httpx.Response, problem: Problem | None) -> float:
    """Seconds the answer asks to wait, by header (seconds or a date) or by the problem's own member; 0 where it does not say."""
    said = answer.headers.get("retry-after")
    if said is None:
        return max(0.0, (problem.retry_after_s or 0.0) if problem is not None else 0.0)
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
