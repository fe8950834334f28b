"""Reads the body of a rollout and checks every field before any request to Azure. Pure.

Not here: the state that the endpoint must be in (rollout_routes), the verdict of a gate (judging).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from shared.api import names
from shared.catalog import kinds
from shared.rest import errors
from shared.text import did_you_mean, durations, jmes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

FIELDS = ("deployment", "body", "smoke", "golden", "mirror", "steps", "bake", "gate", "unsure", "keepOld")
NEEDED = {
    "deployment": f"the name of the new deployment: {kinds.NAMES[kinds.ENDPOINT_NAME]}",
    "body": 'the deployment\'s ARM body, or {"like": "blue", "model": "azureml:m:2"}',
}
LIKE = ("like", "model", "properties", "sku", "tags")
LIMITS = ("errorRate", "p95")
UNSURE = ("pause", "abort", "go on")
STEPS = [10, 50, 100]
BAKE = "PT10M"
GATE = {"errorRate": {"atMost": 0.01}}
LEAST_REQUESTS = 50
MOST_MIRRORED = 50  # percent; Azure's own limit
MOST_STEPS, MOST_REQUESTS = 20, 50
SIZE = 200_000  # characters of the whole as JSON: it is kept in one row
_MODEL = re.compile(r"azureml:([A-Za-z0-9][\w.-]*):([A-Za-z0-9][\w.-]*)")


def parse(body: Any) -> dict[str, Any]:
    """Return the plan of a rollout with its defaults in place; lengths of time are in seconds.

    Raises:
        BadRequestError: `UnknownField`, `MissingField`, `InvalidField`, naming the field.
    """
    given = _object(body, "body", FIELDS)
    for needed, expected in NEEDED.items():
        if given.get(needed) is None:
            raise errors.BadRequestError("MissingField", f"'{needed}' is missing: expected {expected}.", target=needed)
    if len(json.dumps(given)) > SIZE:
        raise _invalid("body", f"expected at most {SIZE} characters")
    name = given.get("deployment")
    if not isinstance(name, str) or not re.fullmatch(kinds.ENDPOINT_NAME, name):
        raise _invalid("deployment", f"expected {NEEDED['deployment']}")
    plan: dict[str, Any] = {"deployment": name, "body": _deployment(given.get("body"))}
    plan["smoke"] = [_smoke(each, at) for each, at in _each(given, "smoke")]
    plan["golden"] = [_golden(each, at) for each, at in _each(given, "golden")]
    plan["mirror"] = _mirror(given["mirror"]) if "mirror" in given else None
    plan["steps"] = _steps(given.get("steps", STEPS))
    plan["bake"] = _seconds(given.get("bake", BAKE), "bake")
    plan["gate"] = _gate(given.get("gate", GATE))
    plan["unsure"] = given.get("unsure", UNSURE[0])
    if plan["unsure"] not in UNSURE:
        raise _invalid("unsure", f"expected one of {', '.join(UNSURE)}")
    plan["keepOld"] = _seconds(given["keepOld"], "keepOld") if "keepOld" in given else None
    if any("atMostOf" in plan["gate"].get(each, {}) for each in LIMITS) and plan["steps"] == [100] and not plan["mirror"]:
        raise _invalid("gate", "'atMostOf' needs a step below 100 or a mirror, while the other deployment is live")
    return plan


def model_id(text: str, workspace: str) -> str:
    """Return the id of a model that is written as `azureml:NAME:VERSION`; any other id stays."""
    found = _MODEL.fullmatch(text)
    return f"{workspace}/models/{found[1]}/versions/{found[2]}" if found else text


def _deployment(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _invalid("body", f"expected {NEEDED['body']}")
    if "like" not in body:
        return body
    _object(body, "body", LIKE)
    if not isinstance(body["like"], str) or not body["like"]:
        raise _invalid("body.like", "expected the name of a deployment of the endpoint")
    model = body.get("model", "azureml://")
    if not isinstance(model, str) or not (_MODEL.fullmatch(model) or model.startswith(("azureml://", "/subscriptions/"))):
        raise _invalid("body.model", "expected azureml:NAME:VERSION, azureml://…, or an ARM id")
    for name in ("properties", "sku", "tags"):
        _object(body.get(name, {}), f"body.{name}")
    return body


def _each(given: Mapping[str, Any], name: str) -> list[tuple[Any, str]]:
    found = given.get(name, [])
    if not isinstance(found, list) or len(found) > MOST_REQUESTS:
        raise _invalid(name, f"expected a list of at most {MOST_REQUESTS} requests")
    return [(each, f"{name}[{number}]") for number, each in enumerate(found)]


def _smoke(given: Any, at: str) -> dict[str, Any]:
    found = _object(given, at, ("send", "expect"))
    if "send" not in found:
        raise _invalid(f"{at}.send", "expected the JSON that is sent to the new deployment")
    if isinstance(found.get("expect"), str):
        try:
            jmes.read(found["expect"])
        except ValueError as problem:
            raise _invalid(f"{at}.expect", f"a text must be JMESPath over status and body, and this is not: {problem}") from None
    return found


def _golden(given: Any, at: str) -> dict[str, Any]:
    found = _object(given, at, ("send", "tolerance", "ignore"))
    if "send" not in found:
        raise _invalid(f"{at}.send", "expected the JSON that both deployments are sent")
    ignored = found.get("ignore", [])
    if not isinstance(ignored, list) or not all(isinstance(each, str) for each in ignored):
        raise _invalid(f"{at}.ignore", 'expected a list of fields, such as ["took_ms"]')
    return {"send": found["send"], "tolerance": _number(found.get("tolerance", 0), f"{at}.tolerance"), "ignore": ignored}


def _mirror(given: Any) -> dict[str, Any]:
    found = _object(given, "mirror", ("percent", "for"))
    percent = found.get("percent")
    if not _whole(percent, 1, MOST_MIRRORED):
        raise _invalid("mirror.percent", f"expected a whole number from 1 to {MOST_MIRRORED}")
    return {"percent": percent, "for": _seconds(found.get("for"), "mirror.for")}


def _steps(given: Any) -> list[int]:
    right = isinstance(given, list) and 0 < len(given) <= MOST_STEPS and all(_whole(each, 1, 100) for each in given)
    if not right or given != sorted(set(given)) or given[-1] != 100:
        raise _invalid("steps", "expected rising whole percentages that end with 100, such as [10, 50, 100]")
    return list(given)


def _gate(given: Any) -> dict[str, Any]:
    found = _object(given, "gate", (*LIMITS, "leastRequests"))
    least = found.get("leastRequests", LEAST_REQUESTS)
    if not _whole(least, 1, 1_000_000):
        raise _invalid("gate.leastRequests", "expected a whole number from 1 to 1000000")
    out: dict[str, Any] = {"leastRequests": least}
    for name in LIMITS:
        if name not in found:
            continue
        limit = _object(found[name], f"gate.{name}", ("atMost", "atMostOf", "times"))
        if "atMost" not in limit and "atMostOf" not in limit:
            raise _invalid(f"gate.{name}", 'expected "atMost": a number, or "atMostOf": a deployment')
        for each in ("atMost", "times"):
            if each in limit:
                _number(limit[each], f"gate.{name}.{each}")
        if not isinstance(limit.get("atMostOf", ""), str):
            raise _invalid(f"gate.{name}.atMostOf", "expected the name of the live deployment")
        out[name] = limit
    if not set(LIMITS) & set(out):
        raise _invalid("gate", f"expected a limit of {' or '.join(LIMITS)}")
    return out


def _object(given: Any, at: str, known: Collection[str] = ()) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _invalid(at, "expected an object")
    for name in given:
        if known and name not in known:
            where = name if at == "body" and known is FIELDS else f"{at}.{name}"
            message = f"There is no field '{where[:80]}'{names.hint(did_you_mean.alike(name, known), known)}"
            raise errors.BadRequestError("UnknownField", message, target=where[:80])
    return given


def _seconds(given: Any, at: str) -> int:
    try:
        return int(durations.parse(given if isinstance(given, str) else "").total_seconds())
    except ValueError as problem:
        raise _invalid(at, str(problem)) from None


def _number(given: Any, at: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 1e12:
        raise _invalid(at, "expected a number, 0 or more")
    return float(given)


def _whole(given: Any, least: int, most: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and least <= given <= most


def _invalid(at: str, expected: str) -> errors.BadRequestError:
    return errors.BadRequestError("InvalidField", f"'{at}' cannot be used: {expected}.", target=at)
