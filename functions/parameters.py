"""What the query of a request says: parameters by name in any casing, each refused by name when it says something else.

Azure reads their names in any casing, too. Not here: headers and answers (http), what Azure's own parameters mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.catalog import paths
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Collection

    import azure.functions as func

    from shared.catalog.paths import Scope
    from shared.rest import ids


def text(req: func.HttpRequest, name: str, default: str = "") -> str:
    """Return a parameter: `?Preflight=true` must not be carried out because of its capital."""
    return next((str(value) for given, value in req.params.items() if given.lower() == name.lower()), default)


def choice(req: func.HttpRequest, name: str, known: Collection[str]) -> str:
    """Return a parameter that is one of a few words, as they are written here; '' when it is not given.

    Raises:
        BadRequestError: `InvalidParameter`; it is none of them.
    """
    given = text(req, name)
    found = next((word for word in known if word.lower() == given.lower()), "")
    if given and not found:
        message = f"'{name}' is '{given[:50]}'; expected one of {', '.join(known)}."
        raise errors.BadRequestError("InvalidParameter", message, target=name)
    return found


def flag(req: func.HttpRequest, name: str) -> bool:
    """Return a parameter that is true or false.

    Raises:
        BadRequestError: `InvalidParameter`; it is something else.
    """
    given = text(req, name).lower()
    if given not in ("", "true", "false"):
        raise errors.BadRequestError("InvalidParameter", f"'{name}' is '{given[:50]}'; expected true or false.", target=name)
    return given == "true"


def whole_number(req: func.HttpRequest, name: str, default: int, limit: int) -> int:
    """Return a parameter that is a whole number.

    Raises:
        BadRequestError: `InvalidParameter`; it is none from 0 to `limit`.
    """
    given = text(req, name) or str(default)
    if not given.isascii() or not given.isdigit() or len(given) > 9 or int(given) > limit:
        message = f"'{name}' is '{given[:50]}'; expected a whole number from 0 to {limit}."
        raise errors.BadRequestError("InvalidParameter", message, target=name)
    return int(given)


def resource(req: func.HttpRequest, name: str, scope: Scope) -> ids.ResourceId | None:
    """Return a parameter that names a resource or a collection: an ARM id, or a path below `/api`; None when it is not given.

    Raises:
        BadRequestError: it names nothing that is known here.
    """
    given = text(req, name)
    if not given:
        return None
    try:
        found = paths.resolve(given, scope)
    except errors.BadRequestError as problem:
        message = f"'{name}' is '{given[:200]}'; expected an ARM id or a path below /api. {problem.error.message}"
        raise errors.BadRequestError(problem.error.code, message, target=name) from None
    if found.action or found.view:
        message = f"'{name}' is '{given[:200]}', an action; expected the resource itself."
        raise errors.BadRequestError("InvalidResourceId", message, target=name)
    return found.id
