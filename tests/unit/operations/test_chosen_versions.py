"""The next free version of an asset is chosen once, and never taken for another caller's."""

from __future__ import annotations

from typing import Any

import pytest

from shared.files import upload_steps
from shared.files.plans import Task
from shared.rest import clouds, errors, ids
from shared.rest.client import Response

WORKSPACE = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w")
BODY = {"properties": {"image": "ours"}}


class Azure:
    """Answers in order and keeps what it was asked."""

    cloud = clouds.PUBLIC

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def send(self, method: str, url: str, *, body: Any = None) -> Response:
        """Return the next answer."""
        self.asked.append(f"{method} {url.partition('/environments/')[2].partition('?')[0]}{' with a body' if body else ''}")
        status, found = self.answers.pop(0)
        return Response(status=status, url=url, body=found)


def register(task: Task, azure: Any) -> tuple[Task, str]:
    """Take one step of a registration."""
    return upload_steps._register(task, WORKSPACE, azure)


TASK = Task(what="register", type="environments", asset="env", body=BODY)
CONFLICT = (409, {"error": {"code": "Conflict", "message": "exists"}})


def test_the_number_is_stored_before_it_is_used() -> None:
    """A lost answer is repeated under the same number."""
    azure = Azure((200, {"properties": {"nextVersion": "7"}}), (409, CONFLICT[1]), (200, BODY))
    task, outcome = register(TASK, azure)
    assert (task.version, task.chosen, outcome) == ("7", True, "")
    _, outcome = register(task, azure)  # Azure has it from the first try
    assert outcome.endswith("/environments/env/versions/7")
    assert azure.asked == ["GET env", "PUT env/versions/7 with a body", "GET env/versions/7"]


def test_a_number_that_somebody_else_was_given_too_is_chosen_anew() -> None:
    """Their environment is not ours."""
    azure = Azure(CONFLICT, (200, {"properties": {"image": "theirs"}}), (200, {"properties": {"nextVersion": "8"}}), (201, BODY))
    task, outcome = register(Task(what="register", type="environments", asset="env", body=BODY, version="7", chosen=True), azure)
    assert (task.version, outcome) == ("", "")
    task, _ = register(task, azure)
    assert register(task, azure)[1].endswith("/versions/8")


def test_a_conflict_about_something_else_is_azures_refusal() -> None:
    """A version that is not there was not registered before."""
    azure = Azure((409, {"error": {"code": "MissingSubscriptionRegistration", "message": "m"}}), (404, None))
    with pytest.raises(errors.RejectedError, match="MissingSubscriptionRegistration"):
        register(Task(what="register", type="environments", asset="env", body=BODY, version="1"), azure)
