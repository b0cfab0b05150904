"""Every problem of the API has its class, and its message is fit for a person."""

from __future__ import annotations

import pickle
import re

import pytest
from pydantic import ValidationError

from bonanza import errors
from bonanza.errors import CLASSES, BonanzaError, InvalidRequest, ProblemError, UnexpectedAnswer, from_problem
from bonanza.problems import PREFIX, PROBLEM_TYPES
from bonanza.schemas import FieldError, Problem, TellRequest


def problem(slug: str, detail: str = "the detail", status: int = 400, **members: object) -> Problem:
    return Problem(type=PREFIX + slug, title="title", status=status, detail=detail, **members)


def test_every_problem_type_has_a_class_and_no_class_is_of_an_unknown_type():
    assert CLASSES.keys() == PROBLEM_TYPES.keys()


@pytest.mark.parametrize("slug", PROBLEM_TYPES)
def test_a_problem_becomes_the_error_of_its_type(slug: str):
    error = from_problem(problem(slug, status=PROBLEM_TYPES[slug].status))
    assert type(error) is CLASSES[slug]
    assert (error.slug, error.status, error.detail) == (slug, PROBLEM_TYPES[slug].status, "the detail")


def test_every_conflict_is_caught_as_one():
    conflicts = [slug for slug, kind in PROBLEM_TYPES.items() if kind.status in {409, 412}]
    assert all(issubclass(CLASSES[slug], errors.Conflict) for slug in conflicts)


def test_a_type_of_a_newer_server_is_a_plain_problem():
    error = from_problem(problem("out-of-gpus", status=507))
    assert type(error) is ProblemError
    assert error.slug == "out-of-gpus"


def test_the_message_says_what_is_wrong_where():
    wrong = FieldError(pointer="/space/kind", message="no kind 'nasbench202'")
    assert (
        str(from_problem(problem("invalid-space", errors=[wrong])))
        == "the detail: no kind 'nasbench202' (at /space/kind)"
    )


def test_the_message_does_not_repeat_what_the_detail_quotes():
    wrong = FieldError(pointer="/seed", message="must be at least 0")
    assert (
        str(from_problem(problem("invalid", "/seed: must be at least 0", errors=[wrong])))
        == "/seed: must be at least 0"
    )


def test_where_the_detail_is_the_message_only_the_place_is_added():
    wrong = FieldError(pointer="/space/kind", message="must be one of nasbench201")
    assert (
        str(from_problem(problem("invalid-space", wrong.message, errors=[wrong])))
        == "must be one of nasbench201 (at /space/kind)"
    )


def test_members_of_a_type_survive_in_the_problem():
    error = from_problem(problem("result-conflict", kept=93.1, told=90.0))
    assert error.problem.model_extra == {"kept": 93.1, "told": 90.0}


def test_errors_cross_process_boundaries():
    conflict = pickle.loads(pickle.dumps(from_problem(problem("result-conflict"))))
    assert (type(conflict), str(conflict), conflict.slug) == (errors.ResultConflict, "the detail", "result-conflict")
    unexpected = pickle.loads(pickle.dumps(UnexpectedAnswer("a login page", status=200)))
    assert (str(unexpected), unexpected.status) == ("a login page", 200)


def test_a_refused_request_names_its_fields():
    with pytest.raises(ValidationError) as caught:
        TellRequest.model_validate({"lease_token": "t", "outcome": "complete"})
    message = str(InvalidRequest.from_validation(caught.value))
    assert message.startswith('outcome "complete" needs a value')
    with pytest.raises(ValidationError) as caught:
        TellRequest.model_validate({"lease_token": "t", "value": 1, "seed": -1})
    assert str(InvalidRequest.from_validation(caught.value)).endswith("(at /seed)")


def test_the_tree_in_the_docstring_is_the_hierarchy():
    lines = re.findall(r"^ {4}([│ ├└─]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    stack: list[str] = []
    drawn: dict[str, str] = {}
    for rails, name in lines:
        depth = len(rails) // 4
        del stack[depth:]
        if stack:
            drawn[name] = stack[-1]
        stack.append(name)
    classes = {c.__name__: c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, BonanzaError)}
    assert drawn == {name: c.__bases__[0].__name__ for name, c in classes.items() if c is not BonanzaError}
