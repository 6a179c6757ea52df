import json

import pytest
from starlette.exceptions import HTTPException

from leadglass import errors
from leadglass.web import problems


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (errors.NotFound("x"), 404, "not-found"),
        (errors.Denied("x"), 403, "denied"),
        (errors.LimitExceeded("A sentence."), 400, "limit"),
        (errors.Conflict("x"), 409, "conflict"),
        (errors.StorageFull("x"), 503, "unavailable"),
        (errors.RecordUnavailable("x"), 503, "record-unavailable"),
        (errors.Tampered("x"), 500, "tampered"),
        (errors.BrokenInvariant("x"), 500, "error"),
        (ValueError("secret"), 500, "error"),
        (TimeoutError(), 503, "unavailable"),
        (HTTPException(404), 404, "not-found"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "wrong-method"),
        (problems.Refused(problems.TOO_LARGE), 413, "too-large"),
    ],
)
def test_status_and_code(failure, status, code):
    problem = problems.problem_for(failure)
    assert (problem.status, problem.code) == (status, code)


def test_programs_get_a_code_and_no_text():
    problem = problems.problem_for(errors.Violation("The value 'ROTH' is wrong.", code="some-code"))
    body = json.loads(problems.as_json(problem).body)
    assert body == {"type": "about:blank", "title": "Bad Request", "status": 400, "code": "some-code"}


def test_only_a_violations_own_sentence_is_repeated():
    assert problems.problem_for(errors.Violation("A rule.")).sentence == "A rule."
    for failure in (errors.NotFound("secret"), errors.Unavailable("secret"), KeyError("secret")):
        problem = problems.problem_for(failure)
        assert "secret" not in problem.sentence + problem.title
        assert problem.sentence.endswith(".")
