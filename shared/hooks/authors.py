"""The author of a file of rules, in the file's first line, which the API writes: the rules have the rights of their author.

A file without that line was stored in another way (by a deployment, or in storage itself) and is unlimited. Pure, except for the
check of the file to replace. Not here: the rules themselves (rules).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.catalog.grants import Grant
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.api.call import Call
    from shared.durable.storage import Blobs
    from shared.hooks.rules import Rule
    from shared.settings import Settings

LEAD = b"# steward-author: "


def line(name: str, grants: Iterable[Grant]) -> bytes:
    """Return the line that names the author of a file."""
    return LEAD + json.dumps({"name": name, "grants": [grant.to_json() for grant in grants]}).encode() + b"\n"


def taken(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the author of a file ({} for none) and its content.

    Raises:
        BadRequestError: `InvalidRules`; the line was changed by hand, so the rules have no rights.
    """
    if not content.startswith(LEAD):
        return {}, content
    lead, _, rest = content.partition(b"\n")
    try:
        author = json.loads(lead.removeprefix(LEAD))
        grants_of(author)
        return {"name": str(author["name"]), "grants": list(author["grants"])}, rest
    except (ValueError, KeyError, TypeError):
        message = "Its first line, which names its author, cannot be read; PUT the file again."
        raise errors.BadRequestError("InvalidRules", message) from None


def grants_of(author: Mapping[str, Any]) -> tuple[Grant, ...]:
    """Return the grants of an author, () for unlimited.

    Raises:
        ValueError: this version does not know a role.
    """
    return tuple(Grant.from_json(each) for each in author.get("grants", ()))


def check_replaceable(call: Call, blobs: Blobs, prefix: str, settings: Settings) -> None:
    """Refuse a limited caller who would change or remove another caller's file.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    if call.method == "GET" or not call.limited:
        return
    file = call.named.get("file", "")
    content = blobs.get(prefix + (file if file.lower().endswith((".yaml", ".yml")) else f"{file}.yaml"))
    if content is not None and taken(content)[0].get("name") != call.by(settings):
        message = f"'{file[:100]}' is not a file of '{call.by(settings)}', whose scope is limited. Choose another name."
        raise errors.BadRequestError("OutOfScope", message, target="file", status=403)


def check_names(call: Call, names: Iterable[str], in_force: Iterable[Rule], settings: Settings) -> None:
    """Refuse a limited caller whose rule would replace another caller's rule with the same name.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    who = call.by(settings)
    others = {rule.name for rule in in_force if rule.author.get("name") != who}
    if same := sorted(others.intersection(names)):
        message = f"The rule '{same[0]}' is in force and not one of '{who}', whose scope is limited. Choose another name."
        raise errors.BadRequestError("OutOfScope", message, target="name", status=403)
