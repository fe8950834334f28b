"""From a path of our API to a row of the table and an ARM id: the one place where callers' paths are read.

Any ARM id is a path below `/api/`, with or without `providers/{namespace}` (without: Azure ML's) and with an optional scope
in front that defaults to the settings. A path that starts with a plane of the regional API server (`history/v1.0/…`,
`modelmanagement/v1.0/…`) names a v1 resource exactly as Azure's own URL does. Not here: bodies (catalog.bodies).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import unquote

from shared.catalog import kinds
from shared.rest import addresses, errors, ids
from shared.text import did_you_mean

if TYPE_CHECKING:
    from shared.catalog.kinds import Action, Kind
    from shared.rest.addresses import Plane

OWN_PARAMETERS = frozenset(
    {"code", "clientid", "api-version", "wait", "preflight", "force", "set", "expiresin", "expiresat", "each", "all"}
)
PLANE_ORDER: tuple[Plane, ...] = ("arm", "history", "modelmanagement")


class Scope(Protocol):
    """Where a path without subscription or resource group belongs, and what a path may name (the settings)."""

    @property
    def subscription_id(self) -> str: ...  # noqa: D102
    @property
    def resource_group(self) -> str: ...  # noqa: D102
    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The subscriptions that the app works in; none for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anywhere:
    """A scope whose paths may name any subscription."""

    subscription_id: str
    resource_group: str
    subscriptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path names: a resource or collection of a kind, and possibly an action or a view of it.

    Attributes:
        body_version: The api-version that a translated body is written for, '' for the table's.
    """

    kind: Kind
    id: ids.ResourceId
    action: Action | None = None
    view: str | None = None
    body_version: str = ""

    @property
    def plane(self) -> Plane:
        """Which of Azure's servers to ask; starting a run is the one action that another plane carries out."""
        return "execution" if self.action and self.action.name == "startrun" else self.kind.plane

    @property
    def workspace(self) -> ids.ResourceId:
        """The workspace that the resource is in."""
        return self.id.ancestor(1)

    @property
    def path(self) -> str:
        """The path that Azure is sent, action included."""
        return ids.below(self.id.path, self.action.name) if self.action and self.action.name else self.id.path

    @property
    def api_version(self) -> str:
        """What Azure is asked with unless the caller says otherwise."""
        return self.body_version or (self.action.preview if self.action else "") or self.kind.api_version


PATH_LIMIT = 8_192  # characters, percent-encoded
SEGMENTS_LIMIT = 100


def resolve(path: str, scope: Scope) -> Target:
    """Read a path below `/api/`, still percent-encoded.

    Raises:
        BadRequestError: `UnknownKind` (404) with what there is instead; `InvalidPath`; `ScopeMissing`;
            `SubscriptionNotListed` (403).
    """
    if len(path) > PATH_LIMIT or path.count("/") > SEGMENTS_LIMIT:  # before it is compared with all that there is
        given = f"{len(path)} characters and {path.count('/') + 1} segments"
        message = f"The path has {given}; at most {PATH_LIMIT} and {SEGMENTS_LIMIT} are allowed."
        raise errors.BadRequestError("InvalidPath", message, target="path")
    segments = [decoded(segment) for segment in path.strip("/").split("/")]
    planes = PLANE_ORDER
    if segments[0].lower() in addresses.CALLERS_PLANES:
        named = segments.pop(0).lower()
        drop_version(named, segments)
        planes = ("history",) if named == "execution" else (cast("Plane", named),)  # execution only starts what history keeps
    subscription_given = _take(segments, "subscriptions")
    check_listed(subscription_given, scope)
    subscription = subscription_given or scope.subscription_id
    group_given = _take(segments, "resourcegroups")
    group = group_given or scope.resource_group
    if not segments:
        return _bare_scope(path, subscription_given, subscription, group_given)
    if group_given and len(segments) == 1:  # moveResources is an action of the group itself
        on_group = kinds.by_type()["arm", kinds.RESOURCES.lower(), "resourcegroups"].action(segments[0])
        if on_group:
            return replace(_bare_scope(path, subscription_given, subscription, group_given), action=on_group)
    namespace = ""
    if len(segments) == 1 and (listed := _below_scope(segments[0], subscription, group_given)):
        return listed
    if segments[0].lower() == "providers":
        if len(segments) <= 2 or (len(segments) == 3 and segments[2].lower() == "register"):
            return _match(segments, ("arm",), ids.ResourceId(subscription=_need(subscription, "subscription")), kinds.RESOURCES)
        namespace, segments = segments[1], segments[2:]
    elif segments[0].lower() in ("subscriptions", "resourcegroups"):
        root = "" if segments[0].lower() == "subscriptions" else _need(subscription, "subscription")
        return _match(segments, ("arm",), ids.ResourceId(subscription=root), kinds.RESOURCES)
    found = ids.ResourceId(subscription=subscription, resource_group=group, namespace=namespace or kinds.ML)
    target = _match(segments, planes, found, namespace or kinds.ML)
    wide = not group_given and ("subscriptions" in path.lower().split("/") or not group)
    return replace(target, id=_scoped(target, wide=wide))


def anywhere(scope: Scope) -> Scope:
    """Return a scope for paths that were accepted before: their subscription may have been taken off the list since."""
    return Anywhere(subscription_id=scope.subscription_id, resource_group=scope.resource_group)


def is_listed(subscription: str, scope: Scope) -> bool:
    """Return whether the app works in a subscription."""
    return not scope.subscriptions or subscription.lower() in map(str.lower, scope.subscriptions)


def check_listed(subscription: str, scope: Scope) -> None:
    """Refuse a subscription in which the app does not work, before Azure is asked for anything; '' names none.

    Raises:
        BadRequestError: `SubscriptionNotListed` (403), naming the setting.
    """
    if subscription and not is_listed(subscription, scope):
        message = f"The app does not work in the subscription '{subscription[:100]}': STEWARD_SUBSCRIPTIONS does not list it."
        raise errors.BadRequestError("SubscriptionNotListed", message, target="path", status=403)


def drop_version(plane: str, segments: list[str]) -> None:
    """Take the version of a regional plane off the front of what follows it; without one it is the one that is known.

    Raises:
        BadRequestError: `UnknownVersion` (404), naming the versions that are known.
    """
    if segments and re.fullmatch(r"v\d+(\.\d+)*", segments[0], re.IGNORECASE):
        version = segments.pop(0)
        if version.lower() != addresses.PLANE_VERSIONS[plane]:
            known = ", ".join(f"{name}/{each}" for name, each in addresses.PLANE_VERSIONS.items())
            message = f"'{plane}/{version[:50]}' is not a known version; known: {known}."
            raise errors.BadRequestError("UnknownVersion", message, target="path", status=404)


def forwarded_query(raw: str) -> str:
    """Return the raw query string without the parameters that are ours; the rest is Azure's, byte for byte."""
    parts = [part for part in raw.split("&") if part and unquote(part.partition("=")[0]).lower() not in OWN_PARAMETERS]
    return "&".join(parts)


def check_verb(target: Target, verb: str) -> None:
    """Refuse a verb that Azure does not offer for the kind.

    Raises:
        BadRequestError: `MethodNotAllowed` (405), naming the verbs there are.
    """
    if verb not in target.kind.verbs:
        offered = ", ".join(sorted(target.kind.verbs | {f"POST {action.name}" for action in target.kind.actions}))
        raise errors.MethodNotAllowedError(
            f"There is no {verb} of {target.kind.full_type} here; there is {offered}.", allowed(target)
        )


def check_method(target: Target, method: str) -> None:
    """Refuse a method that a path does not take, saying what to send instead.

    Raises:
        BadRequestError: `MethodNotAllowed` (405).
    """
    kind, last = target.kind, target.id
    acts = bool(target.action) or bool(kind.action(""))
    made = last.is_collection and bool(kind.named_by_us or kind.posted_name)
    if method == "GET" and target.action:
        message = f"'{target.action.name}' is an action: send it as POST."
    elif method == "GET":
        return None if target.view else check_verb(target, "LIST" if last.is_collection else "GET")
    elif method == "POST" and (acts or made):
        return None
    elif method == "POST" and last.is_collection and "PUT" in kind.verbs:
        message = f"A collection takes no POST. To create one of {kind.label}, send PUT {kind.label}/{{name}}."
    elif method == "POST":
        there = ", ".join(action.name for action in kind.actions) or "none"
        message = f"POST needs an action of {kind.full_type}: {there}."
    elif target.action or target.view:
        message = f"{method} needs the path of a resource, without '{(target.action and target.action.name) or target.view}'."
    elif made:
        message = f"{method} needs the path of one resource: POST here starts one, {method} {kind.label}/{{name}} names it."
    elif last.is_collection:
        message = f"{method} needs the path of one resource: {kind.label}/{{name}}."
    else:
        return check_verb(target, method)
    raise errors.MethodNotAllowedError(message, allowed(target), target="path")


def allowed(target: Target) -> set[str]:
    """Return the verbs that a path takes: of an action, a view, a collection or a resource."""
    kind = target.kind
    if target.action and target.action.name:
        return {"POST"}
    if target.view:
        return {"GET"}
    if target.id.is_collection:
        return ({"GET"} if "LIST" in kind.verbs else set()) | ({"POST"} if kind.named_by_us or kind.posted_name else set())
    return (set(kind.verbs) - {"LIST"}) | ({"POST"} if kind.action("") else set())


def check_name(target: Target) -> None:
    """Refuse a name that Azure would refuse, before anything is sent.

    Raises:
        BadRequestError: `InvalidResourceName` with the rule.
    """
    rule = target.kind.name
    if rule and not re.fullmatch(rule, target.id.name):
        words = kinds.NAMES.get(rule, f"it must match {rule}")
        message = f"'{target.id.name}' is not a valid name for {target.kind.full_type}: {words}."
        pattern = errors.AzureError(code="Pattern", message=rule, target="name")
        raise errors.BadRequestError("InvalidResourceName", message, target="name", details=(pattern,))


def _bare_scope(path: str, subscription_given: str, subscription: str, group: str) -> Target:
    """Return the target of `subscriptions/{s}` or `resourceGroups/{g}`."""
    if not subscription_given and not group:
        raise _unknown(path)
    wanted = "resourceGroups" if group else "subscriptions"
    found = ids.ResourceId(subscription=_need(subscription, "subscription"), resource_group=group)
    return Target(kind=kinds.by_type()["arm", kinds.RESOURCES.lower(), wanted.lower()], id=found)


def _below_scope(segment: str, subscription: str, group: str) -> Target | None:
    """Return the target of a list that ARM itself has directly below a subscription or group; None for other paths."""
    kind = kinds.by_type().get(("arm", kinds.RESOURCES.lower(), segment.lower()))
    if kind is None or kind.verbs != {"LIST"} or (group and kind.scope == "subscription"):
        return None
    scope = ids.ResourceId(subscription=_need(subscription, "subscription"), resource_group=group)
    return Target(kind=kind, id=replace(scope, types=kind.types))


def _match(segments: list[str], planes: tuple[Plane, ...], scope: ids.ResourceId, namespace: str) -> Target:
    """Match type/name pairs against the table; what is left over is an action or a view."""
    rows = kinds.by_type()
    for plane in planes:
        types, names = tuple(segments[0::2]), tuple(segments[1::2])
        kind = rows.get((plane, namespace.lower(), "/".join(types).lower()))
        if kind and not (kind.nameless and names):
            return Target(kind=kind, id=_with(scope, kind, names))
        parent = rows.get((plane, namespace.lower(), "/".join(types[:-1]).lower()))
        if parent and len(types) > len(names):
            last = types[-1]
            view = next((view for view in parent.views if view == last.lower()), None)
            action = parent.action(last)
            if action or view:
                return Target(kind=parent, id=_with(scope, parent, names), action=action, view=view)
    raise _unknown("/".join(segments), namespace, planes)


def _with(scope: ids.ResourceId, kind: Kind, names: tuple[str, ...]) -> ids.ResourceId:
    namespace = "" if kind.below_scope else kind.namespace
    return ids.ResourceId(
        subscription=scope.subscription,
        resource_group=scope.resource_group,
        namespace=namespace,
        types=kind.types,
        names=names,
    )


def _scoped(target: Target, *, wide: bool) -> ids.ResourceId:
    """Return the id with what its kind's scope needs and no more; a top-level collection may be a whole subscription's."""
    if target.kind.scope == "tenant":
        return replace(target.id, subscription="", resource_group="")
    subscription = _need(target.id.subscription, "subscription")
    whole = wide and target.id.is_collection and len(target.id.types) == 1
    if target.kind.scope == "subscription" or whole or (wide and target.kind.scope == "any"):
        return replace(target.id, subscription=subscription, resource_group="")
    return replace(target.id, subscription=subscription, resource_group=_need(target.id.resource_group, "resource group"))


def _take(segments: list[str], word: str) -> str:
    """Take `word/{value}` off the front and return the value; '' when it is not there or is a collection."""
    if len(segments) > 1 and segments[0].lower() == word:
        segments.pop(0)
        return segments.pop(0)
    return ""


def decoded(encoded: str) -> str:
    """Return one path segment as text.

    Raises:
        BadRequestError: `InvalidPath`; it holds what no name may hold.
    """
    try:
        segment = unquote(encoded, errors="strict")
        reason = ids.unnameable(segment)
    except UnicodeDecodeError:
        segment, reason = "", "it is not UTF-8"
    if reason:
        raise errors.BadRequestError("InvalidPath", f"{encoded[:80]!a} cannot stand in a path: {reason}.", target="path")
    return segment


def _need(value: str, noun: str) -> str:
    if not value:
        setting = "STEWARD_" + ("SUBSCRIPTION_ID" if noun == "subscription" else "RESOURCE_GROUP")
        raise errors.BadRequestError("ScopeMissing", f"The path names no {noun} and the setting {setting} is empty.", target="path")
    return value


def not_read(name: str, given: str, problem: errors.BadRequestError, status: int = 400) -> errors.BadRequestError:
    """Return the refusal of a parameter whose value is no resource that is known here."""
    meant = (
        f" Did you mean 'workspaces/{given}'?" if re.fullmatch(r"[a-zA-Z0-9][\w-]{2,32}", given) else f" {problem.error.message}"
    )
    message = f"'{name}' is '{given[:200]}'; expected an ARM id or a path below /api.{meant}"
    return errors.BadRequestError(problem.error.code, message, target=name, status=status)


def _unknown(path: str, namespace: str = kinds.ML, planes: tuple[Plane, ...] = PLANE_ORDER) -> errors.BadRequestError:
    """Return the refusal of a path, with what there is at the first place where it names nothing."""
    offered = [kind for kind in kinds.KINDS if kind.namespace.lower() == namespace.lower() and kind.plane in planes]
    rows = {tuple(kind.path.lower().split("/")): kind for kind in offered}
    asked = path.split("/")[0::2]
    low = [segment.lower() for segment in asked]
    depth = max(n for n in range(len(asked) + 1) if n == 0 or any(list(row[:n]) == low[:n] for row in rows))
    below = {kind.path.split("/")[depth] for row, kind in rows.items() if len(row) > depth and list(row[:depth]) == low[:depth]}
    parent = rows.get(tuple(low[:depth]))
    deeper = {
        "/".join(kind.path.split("/")) for row, kind in rows.items() if list(row[:depth]) == low[:depth] and len(row) == depth + 2
    }
    lies = ", ".join([each for each in sorted(deeper) if low[depth : depth + 1] == [each.lower().rpartition("/")[2]]][:3])
    ends = {action.name for action in parent.actions if action.name} | set(parent.views) if parent else set()
    top = {"subscriptions", "resourceGroups", "providers"} if not depth and namespace == kinds.ML else set()
    why = f"'{asked[depth][:100]}' lie one level down, as {lies}." if lies else _why_unknown(asked, depth, below | ends | top, ends)
    message = f"'{path[:200]}' names no known kind: {why}"
    if not rows:
        providers = ", ".join(sorted({kind.namespace for kind in kinds.KINDS}))
        message = f"'{namespace[:100]}' is not a known provider; known: {providers}."
    return errors.BadRequestError("UnknownKind", message, target="path", status=404)


# Words of other tools, of the CLI and of the portal, by what stands here instead.
_OTHERWISE = {
    **dict.fromkeys(("clusters", "cluster", "instances", "computeinstances", "amlcomputes", "computetargets"), "computes"),
    **dict.fromkeys(("endpoints", "endpoint"), "onlineEndpoints' or 'batchEndpoints"),
    **dict.fromkeys(("pipelines", "pipelinejobs", "sweeps", "automl"), "jobs"),
    **dict.fromkeys(("datasets", "dataassets"), "data"),
    **dict.fromkeys(("invoke", "predict", "infer", "inference", "predictions"), "score"),
    "score": "invoke",
    **dict.fromkeys(("stop", "terminate", "abort", "kill"), "cancel"),
    **dict.fromkeys(("keys", "credentials"), "listKeys"),
    **dict.fromkeys(("stream", "stdout"), "logs"),
}


def _otherwise(wanted: str, known: set[str]) -> str:
    """Return what another tool's word means at a place that has it; ''."""
    meant = _OTHERWISE.get(re.sub(r"[\W_]", "", wanted.lower()), "")
    return meant if meant.partition("'")[0] in known else ""


def _why_unknown(asked: list[str], depth: int, known: set[str], ends: set[str]) -> str:
    there = ", ".join(sorted(known, key=str.lower))
    if depth == len(asked):
        return f"below {'/'.join(asked)} there are only {there}."
    wanted, where = asked[depth][:100], f"below {'/'.join(asked[:depth])} " if depth else ""
    if wanted.lower() in {name.lower() for name in ends}:
        return f"nothing follows '{wanted}'."
    if meant := _otherwise(wanted, known):
        return f"{where}there is no '{wanted}'; did you mean '{meant}'?"
    return f"{where}there is no '{wanted}'; {did_you_mean.hint(wanted, known, f'there are {there}.')}"
