"""Who is recorded as the caller: whom the platform signed in, and only where it signs callers in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared import services

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

NAME, ID = "x_ms_client_principal_name", "x_ms_client_principal_id"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({NAME: "ada@contoso.com", ID: "1f0c"}, "ada@contoso.com"),
        ({ID: "1f0c"}, "1f0c"),
        ({NAME: "", ID: "1f0c"}, "1f0c"),
        ({}, "function key"),
    ],
)
def test_whom_the_platform_signed_in_is_the_caller(app: App, headers: dict[str, str], expected: str) -> None:
    """A person has a name; the token of a managed identity has none, but an id."""
    vars(services.get())["settings"] = replace(services.get().settings, signed_in=True)
    assert caller(app, headers) == expected


def test_without_sign_in_nobody_can_say_who_they_are(app: App) -> None:
    """The headers are anybody's then."""
    assert caller(app, {NAME: "ada@contoso.com", ID: "1f0c"}) == "function key"


def caller(app: App, headers: dict[str, str]) -> str:
    """Have an operation accepted, and return whose it is."""
    answer = app.send("PUT", "workspaces/work1", '{"location": "westeurope"}', prefer="respond-async", **headers)
    return str(app.send("GET", answer.headers["operation-location"]).body["properties"]["caller"])
