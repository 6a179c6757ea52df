"""Every way to say no: a status, a code for programs, a sentence that says what to do for people.

Programs get the code alone (RFC 9457), people the sentence. Neither sees a stack, a path or a value, and
nothing in an answer depends on what was asked for: foreign and absent are the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from leadglass import errors


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    title: str
    sentence: str
    headers: tuple[tuple[str, str], ...] = ()


NOT_SIGNED_IN = Problem(401, "not-signed-in", "Please sign in", "Sign in to go on.")
NOT_FOUND = Problem(
    404, "not-found", "Nothing here for you",
    "This does not exist, or it belongs to a department you are not a member of. "
    "If you need it, ask your PACS administrator.",
)  # fmt: skip
GONE = Problem(  # a second click on what deletes is answered last
    404, "not-found", "This study is not here",
    "It is not here, or not yours to see. If you have just deleted it, it is gone for good.",
)  # fmt: skip
DENIED = Problem(
    403, "denied", "Not part of your role",
    "Your role does not include this page. If you need it for your work, ask your system administrator.",
)  # fmt: skip
LISTENER_SHUT = Problem(
    503, "listener-shut", "No images by this door",
    "The archive looked at itself as a stranger and was answered. Until that is mended it shows nobody a "
    "patient here. Tell your system administrator. Images that are sent to it are kept.",
    (("Retry-After", "600"),),
)  # fmt: skip
BAD_REQUEST = Problem(
    400, "violation", "This could not be understood", "Go back, check what you entered and try again."
)
CONFLICT = Problem(
    409, "conflict", "It contradicts what is kept", "Something else is already kept under the same identity."
)
UNAVAILABLE = Problem(
    503, "unavailable", "Not right now", "The archive cannot answer at the moment. Try again in a minute.",
    (("Retry-After", "10"),),
)  # fmt: skip
NO_RECORD = Problem(
    503, "record-unavailable", "Nothing can be shown right now",
    "The access record cannot be written, and nothing is shown without a record. "
    "Tell your system administrator: the disk may be full.",
    (("Retry-After", "60"),),
)  # fmt: skip
TAMPERED = Problem(
    500, "tampered", "It failed its integrity check",
    "What is stored was changed or damaged, so it is not shown. Tell your PACS administrator.",
)  # fmt: skip
BROKEN = Problem(
    500,
    "error",
    "Something went wrong",
    "This is our mistake. Try again; if it stays, tell your system administrator.",
)
WRONG_HOST = Problem(
    421, "wrong-host", "Unknown address", "This server does not answer under that name. Check the address."
)
WRONG_ORIGIN = Problem(
    403, "wrong-origin", "Not sent from these pages",
    "What was sent did not come from a page of this server. Open the page again and repeat it there.",
)  # fmt: skip
TOO_LARGE = Problem(
    413,
    "too-large",
    "Too much at once",
    "What was sent is larger than this page accepts. Go back and shorten it.",
)
TOO_SLOW = Problem(408, "too-slow", "It took too long", "The connection was too slow. Try again.")
WRONG_TYPE = Problem(415, "wrong-type", "Wrong kind of content", "Send the form from its page.")
NOT_INSTANCES = Problem(
    415, "binary-instances-only", "Wrong kind of content",
    'Send binary instances: multipart/related; type="application/dicom". '
    "Metadata and bulk data apart are not taken.",
)  # fmt: skip
BUSY = Problem(
    503, "busy", "Too much at once", "Too many uploads are under way. Try again in a moment.",
    (("Retry-After", "5"),),
)  # fmt: skip
NOT_ACCEPTABLE = Problem(
    406, "not-acceptable", "No such form", "It is not available in the form that was asked for."
)
WRONG_METHOD = Problem(
    405, "wrong-method", "Not possible here", "Go back to the page and try again from there."
)

# Nearest class in the exception's ancestry decides.
BY_EXCEPTION: Final[Mapping[type[BaseException], Problem]] = MappingProxyType(
    {
        errors.NotFound: NOT_FOUND,
        errors.Denied: DENIED,
        errors.ListenerShut: LISTENER_SHUT,
        errors.Violation: BAD_REQUEST,
        errors.Conflict: CONFLICT,
        errors.Unavailable: UNAVAILABLE,
        errors.RecordUnavailable: NO_RECORD,
        errors.Tampered: TAMPERED,
        TimeoutError: UNAVAILABLE,
    }
)
_BY_STATUS: Final = MappingProxyType({404: NOT_FOUND, 405: WRONG_METHOD})


class Refused(errors.Violation):
    """The request is refused as this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence, code=problem.code)
        self.problem = problem


def problem_for(failure: BaseException) -> Problem:
    """What to tell the peer. A violation's own sentence is kept: it names a rule, never a value."""
    if isinstance(failure, Refused):
        return failure.problem
    if isinstance(failure, HTTPException):
        found = _BY_STATUS.get(failure.status_code, BAD_REQUEST)
        headers = tuple((failure.headers or {}).items())
        return Problem(found.status, found.code, found.title, found.sentence, headers)
    found = next((BY_EXCEPTION[kind] for kind in type(failure).__mro__ if kind in BY_EXCEPTION), BROKEN)
    if isinstance(failure, errors.Violation):
        return Problem(found.status, failure.code, found.title, str(failure))
    return found


def as_json(problem: Problem) -> Response:
    """application/problem+json (RFC 9457) with a code and no details."""
    title = HTTPStatus(problem.status).phrase
    body = {"type": "about:blank", "title": title, "status": problem.status, "code": problem.code}
    return JSONResponse(
        body, problem.status, headers=dict(problem.headers), media_type="application/problem+json"
    )
