"""What schemathesis cannot guess, loaded by it through SCHEMATHESIS_HOOKS: names of things that exist.

Left to itself it asks for studies that are not there and repeats its favourite Idempotency-Key, so that nearly every answer is a 404 or
"key reused". Valid parts of a request are therefore pointed at a real study, live trials and their lease tokens, two times in three;
parts that are wrong on purpose stay as they are.
"""

import itertools
import json
import os
import urllib.request
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase

URL = os.environ["BONANZA_SERVER"]
KEY = os.environ.get("BONANZA_KEY")
"""An admin key, where the server wants one."""
SCOPE = os.environ.get("BONANZA_FUZZED_SCOPE")
"""The scope of the key that schemathesis sends, if it sends one."""
OWN_KEY = os.environ.get("BONANZA_FUZZED_KEY")
"""The id of that key."""
ENDS_THE_STUDY = {"deleteStudy", "patchStudy", "pauseStudy", "finishStudy"}
ENDED = f"ended-{SCOPE or 'any'}"
"""The study that these are for."""
STUDY = {
    "space": {"kind": "nasbench201"},
    "objective": {"direction": "maximize"},
    "strategy": {"name": "random"},
    "budget": {"max_failures": None},
}
_calls = itertools.count()


def _send(method: str, path: str, body: Any) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


for name in ("fuzz", ENDED):
    _send("PUT", f"/v1/studies/{name}", STUDY)
TRIALS = _send("POST", "/v1/studies/fuzz/ask", {"count": 64, "wait_s": 0})["trials"]


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Forget the limits that take ten seconds to generate data for; test_bad_input.py goes over them by hand."""
    schemas = raw_schema["components"]["schemas"]
    del schemas["ObservationsRequest"]["properties"]["observations"]["maxItems"]
    del schemas["QueueRequest"]["properties"]["architectures"]["maxItems"]
    del schemas["PredictRequest"]["properties"]["architectures"]["maxItems"]


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """An export is text, which most of what is generated is; what is not goes as its JSON."""
    return (value if isinstance(value, str) else json.dumps(value)).encode(errors="surrogatepass")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Point the valid parts of ``case`` at what exists."""
    call = next(_calls)
    operation = case.operation.definition.raw["operationId"]
    if operation in ENDS_THE_STUDY and (case.path_parameters or {}).get("study") == "fuzz":
        # schemathesis comes upon the name by itself: the study would be gone, and whatever follows ask for one that is not there.
        case.path_parameters = case.path_parameters | {"study": ENDED}
    if operation == "revokeKey" and (case.path_parameters or {}).get("key") == OWN_KEY:
        case.path_parameters = case.path_parameters | {"key": "000000000000"}  # or all that follows is refused, rightly
    valid = {location for location, part in case.meta.components.items() if part.mode is GenerationMode.POSITIVE}
    body = case.body if isinstance(case.body, dict) and ParameterLocation.BODY in valid else None
    if operation == "ask" and body is not None:
        body["wait_s"] = 0
    if operation == "predict" and isinstance(case.body, dict):
        # A 503 is the answer to whoever will not wait, and no failure of the server.
        case.body["wait_s"] = 50 if body is not None else case.body.get("wait_s", 50)
    if ParameterLocation.HEADER in valid and "idempotency-key" in (case.headers or {}) and call % 4:
        case.headers["idempotency-key"] = f"call-{call}"
    if case.meta.phase.name is TestPhase.STATEFUL or call % 3 == 0:
        return
    trial = TRIALS[call % len(TRIALS)]
    if ParameterLocation.PATH in valid and operation not in ENDS_THE_STUDY:
        case.path_parameters |= {"study": "fuzz"} if "study" in case.path_parameters else {}
        case.path_parameters |= {"number": trial["number"]} if "number" in case.path_parameters else {}
    if body is not None and "lease_token" in body:
        body["lease_token"] = trial["attempt"]["token"]


if SCOPE is not None:
    from bonanza_server.access import INCLUDES

    @schemathesis.check
    def a_key_opens_what_its_scope_opens(context: Any, response: Any, case: Any) -> None:
        """Nothing else, whatever is sent; and never is it said that a key is wrong or may not what it may."""
        if "authorization" not in {name.lower() for name in response.request.headers}:
            return  # a check of schemathesis' own, without the key
        ways = case.operation.definition.raw["security"]
        opened = not ways or any(scope in INCLUDES[SCOPE] for way in ways for scope in way.get("key", ()))
        if opened:
            assert response.status_code not in {401, 403} or b"project" in response.content, response.content
        else:
            assert 400 <= response.status_code < 500, response.content
