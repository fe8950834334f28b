"""HTTP: what no other function takes. Its name is the last one, so the platform asks it last (host.md H9).

Below `arm/` lies every path of ARM, for clients that put an id behind a base URL with a slash of its own: empty segments
are dropped there. Everything else is refused in ARM's envelope, with what there is instead.
"""

from __future__ import annotations

import difflib
from urllib.parse import quote

import azure.functions as func

from functions import http, routes
from shared.rest import errors

blueprint = func.Blueprint()

ARM = "arm"
VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


async def anything_else(req: func.HttpRequest) -> func.HttpResponse:
    """Hand a request below `arm/` to the function that has its path; refuse any other."""
    way, method = str(req.route_params.get("rest") or ""), str(req.method).upper()
    first, _, below = way.partition("/")
    own = [each for each in routes.ROUTES if each.template != routes.CATCH_ALL]
    if first.lower() != ARM:
        return http.problem_response(refusal(method, way, own), req)
    path = "/".join(segment for segment in below.split("/") if segment)
    arm = [each for each in own if each.template.endswith(routes.CATCH_ALL)]
    found = next((each for each in arm if method in each.verbs and each.takes(path)), None)
    if found is None:
        return http.problem_response(refusal(method, path, arm), req)
    query = f"?{http.raw_query(req)}" if http.raw_query(req) else ""
    url = f"{http.base_url(req)}/{quote(path, safe='/')}{query}"
    return await found.function(routes.again(req, method, url, {"rest": path.partition("/")[2]}))


def refusal(method: str, path: str, known: list[routes.Route]) -> errors.StewardError:
    """Return why none of some routes takes a request: an empty segment, another verb, or a name that is not there."""
    plain = path.rstrip("/")
    if "" in plain.split("/")[1:]:
        message = f"'{path[:200]}' has an empty segment; leave it out, or put /arm behind /api, where ARM's paths may have them."
        return errors.BadRequestError("InvalidPath", message, target="path")
    if allow := sorted({verb for each in known if each.takes(plain) for verb in each.verbs}):
        return errors.MethodNotAllowedError(f"There is no {method} of '{plain[:200]}'; there is {', '.join(allow)}.", allow)
    first, _, below = plain.partition("/")
    there = sorted({each.template.split("/")[0] for each in known}, key=str.lower)
    if first.lower() not in {name.lower() for name in there}:
        return _unknown("There", first, there)
    follows = {each.template.partition("/")[2] for each in known if each.template.lower().startswith(f"{first.lower()}/")}
    return _unknown(f"Below '{first}' there", below, sorted(follows))


def _unknown(where: str, name: str, there: list[str]) -> errors.StewardError:
    near = difflib.get_close_matches(name, there, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(there) or 'nothing'}."
    return errors.BadRequestError("UnknownKind", f"{where} is no '{name[:100]}'; {hint}", target="path", status=404)


routes.route(blueprint, "zz_anything_else", routes.CATCH_ALL, VERBS, head=anything_else)(anything_else)
