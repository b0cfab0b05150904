"""The OpenAPI document: committed, complete, and true of the server that serves it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bonanza import schemas
from bonanza.problems import PREFIX, PROBLEM_TYPES
from bonanza_server import openapi
from bonanza_server.access import SCOPES
from bonanza_server.examples import BODIES, FAILED_TELL
from bonanza_server.problem_docs import EXAMPLES
from tests.live import LiveServer, create_postgres_database

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "server" / "openapi.json"

NOT_OF_ONE_OPERATION = {"method-not-allowed"}
"""The problem of a path that is none."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as the application makes it."""
    made: dict[str, Any] = json.loads(openapi.text())
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def model_of(schema: dict[str, Any]) -> str:
    """The model that a body's schema refers to, null aside."""
    (reference,) = [part for part in schema.get("anyOf", [schema]) if "$ref" in part]
    return str(reference["$ref"].rpartition("/")[2])


def test_the_committed_document_is_the_one_that_the_server_answers() -> None:
    rewrite = "python -m bonanza_server.openapi > server/openapi.json"
    same = COMMITTED.read_text(encoding="utf-8") == openapi.text()
    assert same, f"the API has changed: look at the difference, and if it is meant, run {rewrite}"


def test_the_command_that_rewrites_the_document_prints_it(server: LiveServer) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "bonanza_server.openapi"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == COMMITTED.read_text(encoding="utf-8")
    assert server.get("/openapi.json") == json.loads(printed)


def test_every_operation_has_an_id_a_tag_and_a_description(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", found) for found in ids)
    for name, operation in operations(document):
        assert operation["tags"], name
        assert operation["description"].endswith("."), name
        for parameter in operation.get("parameters", []):
            assert "null" not in json.dumps(parameter["schema"]), name


def test_bounds_have_the_names_that_readers_of_schemas_know(document: dict[str, Any]) -> None:
    assert not re.search(r'"(ge|gt|le|lt)":', json.dumps(document))
    reduction = document["components"]["schemas"]["AshaPruner"]["properties"]["reduction"]
    assert (reduction["minimum"], reduction["maximum"]) == (2, 1_000)


def test_every_body_has_an_example_that_its_model_takes(document: dict[str, Any]) -> None:
    used = set()
    for name, operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        bodies += [response for status, response in operation["responses"].items() if status < "300"]
        for body in bodies:
            if "application/json" in body.get("content", {}):
                model = model_of(body["content"]["application/json"]["schema"])
                assert document["components"]["schemas"][model]["examples"], (name, model)
                used.add(model)
    assert used == set(BODIES)
    for model, example in [*BODIES.items(), ("TellRequest", FAILED_TELL)]:
        made: BaseModel = getattr(schemas, model).model_validate(example)
        assert set(example) <= set(made.model_dump()), f"the example of {model} has a field that {model} has not"


def test_every_problem_is_documented_at_some_operation_with_an_example(document: dict[str, Any]) -> None:
    documented: set[str] = set()
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "300" and not (name.endswith("/readyz") and status == "503"):
                assert response["description"], name
                examples = response["content"]["application/problem+json"]["examples"]
                assert {PROBLEM_TYPES[slug].status for slug in examples} == {int(status)}, name
                documented |= set(examples)
    assert documented == set(PROBLEM_TYPES) - NOT_OF_ONE_OPERATION == set(EXAMPLES)
    for slug, example in document["components"]["examples"].items():
        problem = schemas.Problem.model_validate(example["value"])
        assert (problem.type, problem.status) == (PREFIX + slug, PROBLEM_TYPES[slug].status)


def test_every_operation_of_the_api_takes_the_key_and_every_answer_has_its_request_id(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        versioned = "/v1/" in name or "/metrics" in name
        *needed, anybody = operation["security"] or [None]  # none at all where no server is
        assert anybody == ({} if versioned else None), name
        assert {scope for way in needed for scope in way["key"]} <= set(SCOPES), name
        assert bool(needed) == versioned, name
        assert ("401" in operation["responses"]) == versioned, name
        for response in operation["responses"].values():
            assert "X-Request-Id" in response["headers"], name


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(document))):
        found = document
        for part in reference.split("/"):
            found = found[part]


@pytest.mark.parametrize(
    ("kind", "phases", "requests"),
    [("sqlite", "examples,coverage", 1_000), ("postgresql", "examples", 20)],
    ids=["sqlite", "postgresql"],
)
def test_no_request_gets_a_server_error_or_an_answer_that_is_not_documented(
    kind: str, phases: str, requests: int, tmp_path: Path, request: pytest.FixtureRequest, slot: Executor
) -> None:
    """schemathesis, in a process of its own because its warnings are not ours: valid requests and others, on a real server."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/study.db"
    else:
        url = create_postgres_database(request.getfixturevalue("postgres"), "schemathesis")
    (tmp_path / "schemathesis.toml").write_text(
        "[checks]\n"
        # Which spaces, strategies and cells there are is beyond a JSON schema, so a valid request may well be refused.
        "positive_data_acceptance.enabled = false\n"
        # A bad body may be too large, and so refused for that.
        'negative_data_rejection.expected-statuses = ["4xx"]\n'
    )
    with LiveServer(url, executor=slot) as server:
        hooks = {"SCHEMATHESIS_HOOKS": "tests.server.fuzzing", "BONANZA_SERVER": server.url, "PYTHONPATH": str(ROOT)}
        arguments = [
            "--phases",
            phases,
            "--max-examples",
            "2",
            "--seed",
            "201",
            "--no-color",
            "--request-timeout",
            "60",
        ]
        ran = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", *arguments],
            cwd=tmp_path,
            env=os.environ | hooks,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2_000:]
        generated = re.search(r"(\d+) generated, \1 passed", ran.stdout)
        assert generated, ran.stdout[-3_000:]
        assert int(generated[1]) > requests
        assert server.get("/readyz")["status"] == "ready"
