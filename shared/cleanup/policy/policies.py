"""Policies as files: YAML in, `model.Policy` out, with every mistake of a file named at its line and column.

A policy comes from the file that is shipped with the app, or from `cleanup/policies/*.yaml` in the app's own container,
where one of the same name replaces the shipped one and `disable` turns shipped ones off. Not here: what each field may hold
(fields), what a kind knows (targets), when a policy runs (runs).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.cleanup.policy import filters, hours, policy_fields, targets
from shared.cleanup.policy.model import Policy
from shared.text import durations, yaml_document, yaml_sheets
from shared.text.problems import InvalidFileError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.durable.storage import Blobs
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_sheets import Reader, Sheet

CODE = "InvalidPolicy"
FOLDER = "cleanup/policies/"
ENDINGS = (".yaml", ".yml")
SHIPPED = "default_policies.yaml"
POLICY_LIMIT = 200  # of one file


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of policies: those it has, and globs over the names of shipped ones that it turns off."""

    policies: tuple[Policy, ...]
    disabled: tuple[str, ...] = ()


def parse(text: str, source: str) -> tuple[Policy, ...]:
    """Read the policies of a file.

    Args:
        text: YAML with `policies`, a list, and perhaps `disable`.
        source: The file's name, for messages.

    Raises:
        InvalidFileError: a `BadRequestError`, code `InvalidPolicy`, with all that is wrong.
    """
    return read(text, source).policies


def read(text: str, source: str) -> File:
    """Read all of a file; see `parse`."""
    top, sheet = yaml_sheets.opened(text, source, CODE)
    readers: dict[str, Reader] = {"policies": _policies, "disable": yaml_sheets.texts}
    found = yaml_sheets.record(top, sheet, readers, () if _has(top, "disable") else ("policies",))
    if sheet.problems:
        raise InvalidFileError(CODE, sheet.problems)
    return File(policies=found.get("policies", ()), disabled=found.get("disable", ()))


@cache
def shipped() -> tuple[Policy, ...]:
    """Return the policies that come with the app."""
    return parse(Path(__file__).with_name(SHIPPED).read_text(encoding="utf-8"), SHIPPED)


def load(blobs: Blobs) -> tuple[tuple[Policy, ...], tuple[Problem, ...]]:
    """Return the policies in force, and what is wrong with files: such a file has no effect, the others have theirs.

    Raises:
        TransientError: the app's storage is out of reach.
    """
    problems: list[Problem] = []
    files: list[File] = []
    for name in blobs.names(FOLDER):
        content = blobs.get(name) if name.lower().endswith(ENDINGS) else None
        if content is None:
            continue
        try:
            files.append(read(_decoded(content, name), name))
        except InvalidFileError as invalid:
            problems += invalid.problems
    own: dict[str, Policy] = {}
    for policy in (policy for file in files for policy in file.policies):
        if (other := own.get(policy.name.lower())) is None:
            own[policy.name.lower()] = policy
        else:
            problems.append(_twice(policy, other))
    off = [glob for file in files for glob in file.disabled]
    kept = [one for one in shipped() if one.name.lower() not in own and not (off and filters.fits(off, one.name))]
    return (*kept, *own.values()), tuple(problems)


def to_json(policy: Policy) -> dict[str, Any]:
    """Return a policy as a file writes it, with its `source`; `from_json` reads it back."""
    where, limits = policy.where, policy.limits
    shown = {
        "name": policy.name,
        "description": policy.description,
        "kind": policy.kind,
        "where": _filled(
            {
                "subscriptions": list(where.subscriptions),
                "workspaces": list(where.workspaces),
                "names": list(where.names),
                "tags": _mapping(where.tags),
                "properties": _mapping(where.properties),
                "query": where.query,
            }
        ),
        "staleWhen": {name: _written(value) for name, value in policy.stale_when.items()},
        "action": policy.action,
        "grace": durations.text(policy.grace) if policy.grace else "",
        "protect": _filled({"tags": list(policy.protect_tags), "names": list(policy.protect_names)}),
        "limits": {"count": limits.count} | ({} if limits.percent is None else {"percent": limits.percent}),
        "mode": policy.mode,
        "schedule": policy.schedule,
        "tag": {"name": policy.tag[0], "value": policy.tag[1]} if policy.tag[0] else {},
        "idleShutdown": durations.text(policy.idle_shutdown) if policy.action == "setIdleShutdown" else "",
        "notify": dict(policy.notify),
        "source": policy.source,
    }
    return _filled(shown)


def from_json(stored: Mapping[str, Any]) -> Policy:
    """Read back what `to_json` wrote.

    Raises:
        InvalidFileError: it is no policy that this version of the app takes.
    """
    value = {name: held for name, held in stored.items() if name != "source"}
    source = str(stored.get("source", ""))
    sheet = yaml_sheets.Sheet(source=source or "stored policy")
    at = yaml_document.Cursor(value=value, document=yaml_document.Document(name="", marks={}, source=yaml_document.Source()))
    found = _policy(at, sheet)
    if found is None or sheet.problems:
        raise InvalidFileError(CODE, sheet.problems)
    return replace(found, source=source)


def _policies(at: Cursor, sheet: Sheet) -> tuple[Policy, ...]:
    """The list of policies of a file."""
    if not isinstance(at.value, list) or len(at.value) > POLICY_LIMIT:
        sheet.note(at, f"expected a list of at most {POLICY_LIMIT} policies")
        return ()
    first: dict[str, Cursor] = {}
    for child in at.children():
        named = child.get("name")
        if named is not None and isinstance(named.value, str):
            earlier = first.setdefault(named.value.lower(), named)
            if earlier is not named:
                sheet.note(named, f"the name occurs twice, first in line {earlier.place()[0]}")
    return tuple(policy for child in at.children() if (policy := _policy(child, sheet)) is not None)


def _policy(at: Cursor, sheet: Sheet) -> Policy | None:
    """One policy; None where anything of it was refused."""
    before = len(sheet.problems)
    found = yaml_sheets.record(at, sheet, policy_fields.POLICY, ("name", "kind", "staleWhen"))
    if not isinstance(at.value, dict):
        return None
    target = targets.TARGETS.get(found.get("kind", ""))
    if target is not None:
        _fit(at, sheet, target, found)
    if len(sheet.problems) > before or target is None:
        return None
    action, protect = found.get("action", target.action), found.get("protect", {})
    conditions = dict(found["staleWhen"])
    if target.is_asset and action in target.needs:
        conditions["unreferenced"] = True  # whether or not the policy says so
    same = ("name", "kind", "where", "grace", "limits", "mode", "schedule", "tag", "notify", "description")
    changed = {"idle_shutdown": found["idleShutdown"]} if "idleShutdown" in found else {}
    return Policy(
        **{field: found[field] for field in same if field in found},
        **changed,
        action=action,
        stale_when=conditions,
        protect_tags=protect.get("tags", ()),
        protect_names=protect.get("names", ()),
        source=f"{sheet.source}, line {at.place()[0]}",
    )


def _fit(at: Cursor, sheet: Sheet, target: targets.Target, found: Mapping[str, Any]) -> None:
    """Refuse what the kind does not know, and fields that have no meaning beside the action."""
    stale, action = at.get("staleWhen"), found.get("action", target.action)
    for name in found.get("staleWhen", ()):
        if stale is not None and name not in target.conditions:
            message = f"the kind {target.name} does not have the condition {name}; it has {', '.join(target.conditions)}"
            sheet.note(stale.child(name), message, at_key=True)
    place = at.get("action") or at
    if action not in target.actions:
        sheet.note(place, f"the kind {target.name} does not have the action {action}; it has {', '.join(target.actions)}")
        return
    needed = target.needs.get(action, ())
    given = stale.value if stale is not None and isinstance(stale.value, dict) else needed  # else it is refused already
    if stale is not None and not target.is_asset and needed and not set(needed) & set(given):
        sheet.note(stale, f"to {action} a {target.name} needs one of the conditions {', '.join(needed)}", at_key=True)
    for name, only in (("tag", ("tag",)), ("idleShutdown", ("setIdleShutdown",))):
        if (member := at.get(name)) is not None and action not in only:
            sheet.note(member, f"it has a meaning beside the action {only[0]} only, not beside {action}", at_key=True)
    if action == "tag" and at.get("tag") is None:
        sheet.note(place, "the action tag needs the field tag: {name: …, value: …}")
    if found.get("grace") and action in ("notify", "tag") and (grace := at.get("grace")) is not None:
        sheet.note(grace, f"the action {action} removes nothing and is done at once; leave grace out", at_key=True)


def _twice(policy: Policy, other: Policy) -> Problem:
    source, _, line = policy.source.rpartition(", line ")
    message = f"the name '{policy.name}' is taken by {other.source}; that one is in force"
    return Problem(source=source, line=int(line), column=1, field="name", message=message)


def _decoded(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = content[: bad.start].count(b"\n") + 1
        problem = Problem(source=source, line=line, column=1, field="", message="this is not UTF-8 text")
        raise InvalidFileError(CODE, [problem]) from None


def _written(value: Any) -> Any:
    match value:
        case hours.Hours():
            return value.to_json()
        case targets.Stuck():
            return {"status": list(value.statuses), "longerThan": durations.text(value.longer_than)}
        case targets.Spending():
            return f"{value.amount:.13g}/{durations.text(value.within)}"
        case bool() | int():
            return value
        case _:
            return durations.text(value)


def _mapping(pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    out: dict[str, list[str]] = {}
    for name, glob in pairs:
        out.setdefault(name, []).append(glob)
    return {name: globs[0] if len(globs) == 1 else globs for name, globs in out.items()}


def _filled(value: dict[str, Any]) -> dict[str, Any]:
    return {name: held for name, held in value.items() if held not in ("", [], {})}


def _has(at: Cursor, name: str) -> bool:
    return isinstance(at.value, dict) and name in at.value
