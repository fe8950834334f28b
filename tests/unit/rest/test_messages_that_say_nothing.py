"""Where Azure's message on top says nothing, the detail that says it is told with it."""

import json

import pytest

from shared.rest import error_bodies

QUOTA = "Not enough quota available for Standard_F4s_v2 in SubscriptionId s. Current usage/limit: 0/6. Additional needed: 8"


def test_a_refusal_for_quota_says_so() -> None:
    """The service behind managed endpoints puts its own error, as JSON, into a detail: its text reaches the caller."""
    said = {"errors": {"VmSize": [QUOTA]}, "title": "One or more validation errors occurred.", "status": 400}
    text = f"InferencingClient HttpRequest error, error detail: {json.dumps(said)}"
    detail = {"code": "InferencingClientCreateDeploymentFailed", "message": text}
    error = error_bodies.unfold(400, {"error": {"code": "BadRequest", "message": "The request is invalid.", "details": [detail]}})
    assert error.code == "InferencingClientCreateDeploymentFailed"
    assert error.message.startswith("The request is invalid. ")
    assert QUOTA in error.message


@pytest.mark.parametrize("message", ["The specified resource was not found.", "A retryable error occurred."])
def test_the_detail_is_joined_to_a_general_message(message: str) -> None:
    """As recorded: `NotFound` above `NoSuchEndpoint`."""
    detail = {"code": "NoSuchEndpoint", "message": "There is no endpoint with name: x in ws"}
    error = error_bodies.unfold(404, {"error": {"code": "NotFound", "message": message, "details": [detail]}})
    assert error.message == f"{message} There is no endpoint with name: x in ws"


def test_a_message_that_says_something_stays_as_it_is() -> None:
    """Details are details."""
    body = {"error": {"code": "Conflict", "message": "The name is taken.", "details": [{"code": "X", "message": "More."}]}}
    assert error_bodies.unfold(409, body).message == "The name is taken."
