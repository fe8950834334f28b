"""The admin API of the keys: list, read, set, renew, remove; for key rotation as in Azure.

GET lists or shows, POST makes a random key, PUT takes the given one, DELETE removes it: KeysController in
Azure/azure-functions-host. Not here: who may do that (``admin``).
"""

import json
from http import HTTPStatus

from infra.local.host import keys
from infra.local.host.keys import Keys
from infra.local.host.web import Request, Response, text

NOT_FOUND = Response(status=HTTPStatus.NOT_FOUND)


def answer(held: Keys, request: Request, scope: str, name: str | None) -> Response:
    """Answer one request about the keys of a scope (``keys.HOST``, ``keys.SYSTEM``, a function), or about one of them."""
    if name is None:
        listed = [{"name": name, "value": value} for name, value in held.listed(scope).items()]
        return _json(request, {"keys": listed}) if request.method == "GET" else NOT_FOUND
    name = keys.MASTER if name.lower() == keys.MASTER else name  # KeysController compares so
    match request.method:
        case "GET":
            found = held.find(scope, name)
            return _json(request, {"name": name, "value": found}) if found else NOT_FOUND
        case "DELETE":
            return _delete(held, scope, name)
        case "POST":
            return _put(held, request, scope, name, None)
        case "PUT":
            return _set(held, request, scope, name)
    return NOT_FOUND


def _set(held: Keys, request: Request, scope: str, name: str) -> Response:
    if not is_json(request):
        return Response(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    value = _value(request)
    return _put(held, request, scope, name, value) if value else text(400, "Invalid key value")


def is_json(request: Request) -> bool:
    """Whether the body is said to be JSON, as ASP.NET's input formatter takes it."""
    kind = (request.header("content-type") or "").split(";")[0].strip().lower()
    return kind in ("application/json", "text/json") or (kind.startswith("application/") and kind.endswith("+json"))


def _put(held: Keys, request: Request, scope: str, name: str, value: str | None) -> Response:
    made, is_new = held.put(scope, name, value)
    return _json(request, {"name": name, "value": made}, HTTPStatus.CREATED if is_new else HTTPStatus.OK)


def _delete(held: Keys, scope: str, name: str) -> Response:
    if name == keys.MASTER:
        return text(400, "Cannot delete System Key.")
    return Response(status=HTTPStatus.NO_CONTENT) if held.delete(scope, name) else NOT_FOUND


def _value(request: Request) -> str | None:
    try:
        document = json.loads(request.read_body())
    except ValueError:
        return None
    value = document.get("value") if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


def _json(request: Request, document: dict[str, object], status: int = HTTPStatus.OK) -> Response:
    links = [{"rel": "self", "href": f"http://{request.header('host') or 'localhost'}{request.path}"}]
    return text(status, json.dumps({**document, "links": links}), "application/json; charset=utf-8")
