"""Whose a file of rules is: the first line of it, which the API writes, so that its rules may do what its author may, and no more.

A file without that line came another way (a deployment, storage itself), and who can do that may do everything. Pure but for the
file that is replaced. Not here: what the rules are (rules).
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
    """Return the line that says whose a file is."""
    return LEAD + json.dumps({"name": name, "grants": [grant.to_json() for grant in grants]}).encode() + b"\n"


def taken(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the author of a file, {} for none, and what it holds.

    Raises:
        BadRequestError: `InvalidRules`; the line was changed by hand, and its rules have no rights then.
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
    """Return what an author may do, () for everything.

    Raises:
        ValueError: a role is unknown here.
    """
    return tuple(Grant.from_json(each) for each in author.get("grants", ()))


def check_replaceable(call: Call, blobs: Blobs, prefix: str, settings: Settings) -> None:
    """Refuse a caller who is limited, and would change or remove the file of another one.

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
    """Refuse a caller who is limited, and would put a rule in the place of another one's: of two of one name one counts.

    Raises:
        BadRequestError: `OutOfScope` (403).
    """
    who = call.by(settings)
    others = {rule.name for rule in in_force if rule.author.get("name") != who}
    if same := sorted(others.intersection(names)):
        message = f"The rule '{same[0]}' is in force and not one of '{who}', whose scope is limited. Choose another name."
        raise errors.BadRequestError("OutOfScope", message, target="name", status=403)
