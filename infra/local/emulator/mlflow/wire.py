"""What every handler of MLflow's API needs: its paths, what a request asks, how it refuses, pages and writes times.

Azure ML's server has no version 3 of the API: what it does not know is a 404 without a body, as users of MLflow 3 report
(https://github.com/Azure/azure-sdk-for-python/issues/44896).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.emulator.world import World

HOME = f"/mlflow/{{version}}{scope.WORKSPACE}"
API = f"{HOME}/api/2.0/mlflow"
_MOST = 50_000  # of a page; https://mlflow.org/docs/latest/rest-api.html


def refused(status: int, code: str, message: str) -> web.Refused:
    """MLflow's own error."""
    return web.Refused(web.answer({"error_code": code, "message": message}, status=status))


def invalid(message: str) -> web.Refused:
    """400."""
    return refused(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> web.Refused:
    """404."""
    return refused(404, "RESOURCE_DOES_NOT_EXIST", message)


def exists(message: str) -> web.Refused:
    """400, the code that `mlflow.register_model` waits for before it adds a version."""
    return refused(400, "RESOURCE_ALREADY_EXISTS", message)


def unknown(_world: World, _request: web.Request) -> web.Response:
    """The answer to what this server does not have."""
    return web.empty(404)


def asked(request: web.Request) -> dict[str, Any]:
    """The parameters of a request: those of the query, and the body's."""
    return {**request.query, **scope.body(request)}


def text(given: Mapping[str, Any], name: str) -> str:
    """A text parameter; empty when absent.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"The parameter {name} is not a string.")
    return value or ""


def required(given: Mapping[str, Any], name: str) -> str:
    """A text parameter that must be there.

    Raises:
        web.Refused: 400.
    """
    if found := text(given, name):
        return found
    raise invalid(f"The parameter {name} is missing.")


def pairs(request: web.Request, given: Mapping[str, Any], name: str = "tags") -> dict[str, str]:
    """MLflow's `[{"key","value"}]` as a mapping."""
    return {required(one, "key"): str(one.get("value", "")) for one in scope.objects(request, given, name)}


def listed(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A mapping as MLflow's `[{"key","value"}]`."""
    return [{"key": name, "value": value} for name, value in values.items()]


def millis(moment: datetime | str | None) -> int | None:
    """A time as MLflow writes it."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return int(found.timestamp() * 1000) if found else None


def moment(given: Mapping[str, Any], name: str) -> datetime | None:
    """A time in a request, or None.

    Raises:
        web.Refused: 400, when it is not one.
    """
    value = given.get(name)
    if value is None or value == "":
        return None
    try:
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise invalid(f"The parameter {name} is not a time in milliseconds.") from None


def page(
    given: Mapping[str, Any], items: Sequence[Any], name: str, *, size: int = 1000, more: Mapping[str, Any] | None = None
) -> web.Response:
    """One page of `items` under `name`; `next_page_token` only while more follows.

    Args:
        given: `max_results` and `page_token`.
        items: all of them.
        name: of the list in the answer.
        size: when `max_results` is absent.
        more: what stands beside the list.

    Raises:
        web.Refused: 400.
    """
    most, token = str(given.get("max_results") or size), text(given, "page_token") or "0"
    if not most.isdecimal() or not 0 < int(most) <= _MOST:
        raise invalid(f"The parameter max_results is {most!r}: a number from 1 to {_MOST} is expected.")
    if not token.isdecimal():
        raise invalid("The page_token is invalid.")
    end = int(token) + int(most)
    following = {"next_page_token": str(end)} if end < len(items) else {}
    return web.answer({**(more or {}), name: list(items[int(token) : end]), **following})
