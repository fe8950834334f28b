"""What a template asks for: its parameters, variables, functions and resources, read into the parts of a plan.

Not here: the expressions themselves (`expressions.py`), making the resources (`resources.py`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm import refusals
from infra.local.emulator.arm.deployments import expressions
from infra.local.emulator.resources import Resource, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.world import World


_GROUPS = "microsoft.resources/resourcegroups"
DEPLOYMENTS = "microsoft.resources/deployments"
_LISTS = ("listKeys", "listCredentials", "listSecrets", "listAccountSas", "listServiceSas")


@dataclass(slots=True, kw_only=True)
class Part:
    """One resource of a template.

    Attributes:
        id: its ARM id.
        raw: as in the template, not evaluated yet: it may refer to what does not exist before.
        functions: what its expressions see.
        needs: names and ids that its `dependsOn` holds, lower case.
        state: `Waiting`, `Running`, `Succeeded`, `Failed`.
    """

    id: str
    raw: dict[str, Any]
    functions: expressions.Functions
    needs: frozenset[str]
    operation_id: str
    state: str = "Waiting"
    error: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """What a deployment has to do."""

    request: web.Request
    parts: list[Part]
    outputs: dict[str, Any]
    functions: expressions.Functions
    messages: list[str] = field(default_factory=list)


def body_of(part: Part) -> dict[str, Any]:
    """The resource as it is PUT, with its `apiVersion`; a nested deployment of inner scope keeps its template's expressions.

    Raises:
        expressions.TemplateError: an expression cannot be evaluated (yet).
    """
    raw = {name: one for name, one in part.raw.items() if name not in {"condition", "dependsOn", "copy", "resources", "scope"}}
    inner = (raw.get("properties") or {}) if raw["type"].lower() == DEPLOYMENTS else {}
    options = inner.get("expressionEvaluationOptions") or {}
    if str(options.get("scope") or "outer").lower() != "inner":
        return dict(expressions.evaluated(raw, part.functions))
    body = dict(expressions.evaluated({**raw, "properties": {**inner, "template": {}}}, part.functions))
    body["properties"]["template"] = inner["template"]
    return body


# ── reading the template ─────────────────────────────────────────────────────────────────────────────────────────────
def _refused(message: str) -> web.Refused:
    text = f"Deployment template validation failed: '{message}'"
    return refusals.refuse(400, "InvalidTemplate", text)


def plan(world: World, request: web.Request, properties: dict[str, Any]) -> Plan:
    """The plan of a deployment's `properties`.

    Raises:
        web.Refused: 400 `InvalidTemplate`, with the template's mistake.
    """
    template = properties.get("template")
    if not isinstance(template, dict) or not isinstance(template.get("resources", []), list):
        raise _refused("The template has no list of resources.")
    try:
        given = {
            name.lower(): one["value"]
            for name, one in (properties.get("parameters") or {}).items()
            if isinstance(one, dict) and one.get("value") is not None  # a null leaves the template's default
        }
        given[""] = frozenset(name.lower() for name in properties.get("parameters") or {})
        functions = _functions(world, request, template, given)
        parts = [part for raw in template.get("resources", []) for part in _parts(request, raw, functions)]
        _check_needs(template.get("resources", []), parts)
        return Plan(request=request, parts=parts, outputs=template.get("outputs") or {}, functions=functions)
    except (expressions.TemplateError, AttributeError, ValueError) as error:
        raise _refused(str(error)) from None


def _functions(  # noqa: C901 - the functions of a template see each other
    world: World, request: web.Request, template: dict[str, Any], given: dict[str, Any]
) -> dict[str, Callable[..., Any]]:
    nulls = given.pop("", frozenset())
    declared = {name.lower(): one for name, one in (template.get("parameters") or {}).items()}
    variables = {name.lower(): one for name, one in (template.get("variables") or {}).items()}
    subscription, group = request.params["subscription"], request.params.get("group", "")
    scope = scope_of(subscription, group)
    for name, one in declared.items():
        if name not in given and "defaultValue" not in one and name not in nulls:
            raise expressions.TemplateError(f"The value for the template parameter '{name}' is not provided.")

    def parameter(name: str) -> Any:
        if name.lower() in given:
            value = given[name.lower()]
        elif name.lower() in declared:
            value = expressions.evaluated(declared[name.lower()].get("defaultValue"), functions)
        else:
            raise expressions.TemplateError(f"The template parameter '{name}' is not found.")
        _check_value(name, value, declared.get(name.lower(), {}))
        return value

    def variable(name: str) -> Any:
        if name.lower() not in variables:
            raise expressions.TemplateError(f"The template variable '{name}' is not found.")
        return expressions.evaluated(variables[name.lower()], functions)

    def reference(what: str, version: str = "", whole: str = "") -> Any:
        found = world.resources.get(what if what.startswith("/") else _id_of(scope, "", what))
        if found is None:
            raise expressions.TemplateError(f"The resource '{what}' referenced in the template is not found.")
        return {**found.body, "apiVersion": version, "resourceId": found.id} if whole.lower() == "full" else found.properties

    functions: dict[str, Callable[..., Any]] = {
        **expressions.PLAIN,
        "parameters": parameter,
        "variables": variable,
        "reference": reference,
        "resourcegroup": lambda: (world.resources.get(scope) or Resource(id=scope, body={})).body,
        "subscription": lambda: {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
            "tenantId": scene.TENANT_ID,
        },
        "deployment": lambda: {"name": request.params["deployment"], **({} if group else {"location": request.params["location"]})},
        "resourceid": partial(_resource_id, subscription, group),
        "subscriptionresourceid": lambda kind, *names: _id_of(f"/subscriptions/{subscription}", kind, "/".join(names)),
        "extensionresourceid": lambda on, kind, *names: _id_of(on, kind, "/".join(names)),
        "copyindex": lambda *_given: 0,
        **{action.lower(): partial(_listed, world, request, action) for action in _LISTS},
    }
    spelled = {name.lower(): name for name in (template.get("parameters") or {})}
    for name in given:  # a value is judged even where nothing uses it
        if name not in declared:
            raise expressions.TemplateError(
                f"The template parameters '{name}' in the parameters file are not valid; they are not present in the original "
                "template and can therefore not be provided at deployment time. The only supported parameters for this template "
                f"are '{', '.join(spelled.values())}'. Please see https://aka.ms/arm-pass-parameter-values for "
                "usage details."
            )
        parameter(spelled[name])
    return functions


def _check_value(name: str, value: Any, declared: dict[str, Any]) -> None:
    """What a parameter's declaration says about its value."""
    allowed, size = declared.get("allowedValues"), len(value) if isinstance(value, str | list | dict) else None
    number = value if isinstance(value, int) else None
    problem = ""
    if allowed and str(value).lower() not in {str(one).lower() for one in allowed}:
        problem = f"The value '{value}' is not part of the allowed value(s): '{','.join(map(str, allowed))}'."
    for subject, measured, least, most in (
        ("Length of the value", size, declared.get("minLength"), declared.get("maxLength")),
        ("The value", number, declared.get("minValue"), declared.get("maxValue")),
    ):
        if measured is not None and least is not None and measured < least:
            problem = f"{subject} should be greater than or equal to '{least}'."
        if measured is not None and most is not None and measured > most:
            problem = f"{subject} should be less than or equal to '{most}'."
    if problem:
        text = f"The provided value for the template parameter '{name}' is not valid. {problem}"
        raise expressions.TemplateError(f"{text} Please see https://aka.ms/arm-syntax-parameters for usage details.")


def _listed(world: World, request: web.Request, action: str, what: str, version: str, body: Any = None) -> Any:
    """What a POST of an action answers, as `listKeys(id, apiVersion)` asks."""
    query = {"api-version": version}
    asked = replace(
        request, method="POST", path=f"{what}/{action}", query=query, raw_query=f"api-version={version}",
        body=json.dumps(body or {}).encode(), id=str(uuid.uuid4()), operation_error=None,
    )  # fmt: skip
    answer = request.service.handle(world, asked)
    found = json.loads(answer.body or b"{}")
    if answer.status >= 400:
        raise expressions.TemplateError(str((found.get("error") or {}).get("message") or answer.status))
    return found


def _check_needs(resources: list[dict[str, Any]], parts: list[Part]) -> None:
    """Each dependsOn names something that the template defines, deployed or not."""
    if any(raw.get("condition", True) is not True or raw.get("copy") or raw.get("resources") for raw in resources):
        return  # what such a resource is called, `_parts` alone knows
    defined = {name for part in parts for name in known_as(part.id)}
    for part in parts:
        if unknown := sorted(part.needs - defined):
            raise expressions.TemplateError(
                f"The resource '{unknown[0]}' is not defined in the template. Please see https://aka.ms/arm-template for usage "
                "details."
            )


def known_as(arm_id: str) -> set[str]:
    """How a dependsOn may name a resource."""
    kind, low = type_of(arm_id), arm_id.lower()
    names = low.partition(f"/providers/{kind.split('/')[0]}/")[2].split("/")[1::2] or [low.rpartition("/")[2]]
    return {low, "/".join(names), f"{kind}/{'/'.join(names)}"}


def _resource_id(subscription: str, group: str, *given: Any) -> str:
    given = tuple(str(part or "") for part in given)
    at = next((n for n, part in enumerate(given) if "/" in part), 0)
    before = given[:at]
    subscription, group = (subscription, before[0]) if len(before) == 1 else (*before, subscription, group)[:2]
    return _id_of(scope_of(subscription, group), given[at], "/".join(given[at + 1 :]))


def scope_of(subscription: str, group: str) -> str:
    """The id of a resource group, or of the subscription when the group is empty."""
    return f"/subscriptions/{subscription}" + (f"/resourceGroups/{group}" if group else "")


def _id_of(scope: str, kind: str, name: str) -> str:
    if kind.lower() == _GROUPS:
        return f"{scope}/resourceGroups/{name}"
    namespace, *kinds = kind.split("/")
    pairs = "".join(f"/{one}/{part}" for one, part in zip(kinds, name.split("/"), strict=False))
    return f"{scope}/providers/{namespace}{pairs}"


def _parts(request: web.Request, raw: dict[str, Any], functions: expressions.Functions) -> list[Part]:
    """The resource, once for each of its copies, and the resources inside it; nothing when its condition is false."""
    copies = expressions.evaluated((raw.get("copy") or {}).get("count", 1), functions)
    found: list[Part] = []
    for index in range(int(copies)):
        seen = {**functions, "copyindex": lambda *given, at=index: at + next((n for n in given if isinstance(n, int)), 0)}
        if not expressions.evaluated(raw.get("condition", True), seen):
            continue
        kind, name = str(expressions.evaluated(raw["type"], seen)), str(expressions.evaluated(raw["name"], seen))
        own = expressions.evaluated(raw.get("subscriptionId"), seen)
        group = expressions.evaluated(raw.get("resourceGroup"), seen) or ("" if own else request.params.get("group", ""))
        scope = expressions.evaluated(raw.get("scope"), seen) or scope_of(own or request.params["subscription"], group)
        needs = frozenset(str(one).lower() for one in expressions.evaluated(raw.get("dependsOn") or [], seen))
        arm_id = _id_of(scope, kind, name)
        found.append(Part(id=arm_id, raw=raw, functions=seen, needs=needs, operation_id=uuid.uuid4().hex.upper()[:16]))
        for child in raw.get("resources") or []:
            inner = {**child, "type": f"{kind}/{child['type']}", "name": f"{name}/{expressions.evaluated(child['name'], seen)}"}
            found += [replace(part, needs=part.needs | {arm_id.lower()}) for part in _parts(request, inner, seen)]
    return found
