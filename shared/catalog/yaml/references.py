"""What one YAML says about other things: short forms such as `azureml:name:version`, local files, URIs.

Not here: what becomes of them in the body, and what has to be done first (drafts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.text import yaml_values

if TYPE_CHECKING:
    from shared.text.yaml_document import Cursor

PREFIX = "azureml:"
REGISTRIES = "azureml://registries/"
FEEDS = "azureml://feeds/"  # an older spelling of the same
ANONYMOUS_ENVIRONMENT = "CliV2AnonymousEnvironment"
ANONYMOUS_COMPONENT = "azureml_anonymous"
_REMOTE = re.compile(r"^([a-z]+s?://|azureml:|runs:/|git\+)", re.IGNORECASE)
_ARM_VERSION = re.compile(
    r"^/?subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices"
    r"/workspaces/[^/]+/[^/]+/[^/]+/versions/[^/]+"
)
_PLAIN = re.compile(r"^[\w.-]+$")
SHORT_VERSION = re.compile(r"^[^:/@]+:[^:/@]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPath:
    """A path on the user's disk, below the first file's folder; `shown` is how the YAML wrote it."""

    path: str
    shown: str


def local(at: Cursor) -> LocalPath:
    """A path on the user's disk; `file:` in front is allowed."""
    written = yaml_values.text(at)
    path = written.removeprefix("file:")
    if path.lstrip() != path and is_remote(path.lstrip()):
        raise at.refusal(f"'{written[:80]}' begins with a blank; take it out.")
    if _REMOTE.match(path) or not path:
        raise at.refusal(f"Expected a path, got '{written[:80]}'.")
    return LocalPath(path=at.document.resolve(path), shown=written)


def is_remote(path: str) -> bool:
    """Return whether a path is a URI of any kind rather than a place on the user's disk."""
    return bool(_REMOTE.match(path)) or bool(re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]+://", path))


def is_url(path: Any) -> bool:
    """Return whether a path has a scheme and a host (`azureml://…`, `https://…`, `wasbs://…`)."""
    return isinstance(path, str) and bool(re.match(r"^[a-zA-Z][\w+.-]*://[^/]", path))


def path_or_uri(at: Cursor) -> str | LocalPath:
    """A path on the user's disk, or any URI."""
    written = yaml_values.text(at)
    return written if is_remote(written) else local(at)


def registry(at: Cursor) -> str:
    """An `azureml://registries/…` id."""
    if isinstance(at.value, str) and at.value.startswith((REGISTRIES, FEEDS)):
        return at.value.replace(FEEDS, REGISTRIES, 1)
    raise at.refusal("Expected azureml://registries/….")


def short(kind: str) -> yaml_values.Shape:
    """`azureml:` and a name or ARM id; the prefix is taken off."""

    def read(at: Cursor) -> str:
        if isinstance(at.value, str) and at.value.startswith(PREFIX) and at.value != PREFIX:
            return at.value.removeprefix(PREFIX)
        got = f"'{at.value[:80]}'" if isinstance(at.value, str) else yaml_values.noun(at.value)
        raise at.refusal(f"Expected {PREFIX} and the name or ARM id of one of {kind}, got {got}.")

    return read


def versioned(kind: str, *, bare: bool = False) -> yaml_values.Shape:
    """`azureml:name:version`, `azureml:name@label` or an ARM id; with `bare` also a name alone. The prefix is taken off."""
    prefixed = short(kind)

    def read(at: Cursor) -> str:
        reference: str = prefixed(at)
        if _ARM_VERSION.match(reference):
            return reference
        if "/" in reference and not reference.startswith("/"):
            raise at.refusal(f"'{at.value[:120]}' is neither a name nor an ARM id (those start with a slash).")
        if not bare and ":" not in reference and "@" not in reference:
            raise at.refusal(f"'{at.value[:120]}' names no version: write {at.value[:80]}:1 or {at.value[:80]}@latest.")
        return reference

    return read


def asset(kind: str) -> yaml_values.Shape:
    """An `azureml://registries/…` id, or what `versioned` takes; a refusal names all forms."""
    of_workspace, noun = versioned(kind, bare=True), kind.removesuffix("s")

    def read(at: Cursor) -> str:
        if isinstance(at.value, str) and at.value.startswith((REGISTRIES, FEEDS)):
            return registry(at)
        if isinstance(at.value, str) and not at.value.startswith(PREFIX) and at.value.strip():
            shown = at.value[:80]
            example = f"{PREFIX}{shown if _PLAIN.match(shown) else 'name'}"
            forms = f"{example}:1, {example}@latest or {REGISTRIES}…"
            raise at.refusal(f"'{shown}' is not a valid {noun} reference: write {forms}.")
        return str(of_workspace(at))

    return read


def compute(at: Cursor) -> str:
    """A compute: `azureml:name`, a bare name, an ARM id, or `local`; the prefix is taken off."""
    if isinstance(at.value, dict) and "target" in at.value:
        raise at.refusal("'compute' with a 'target' is an old form; write compute: azureml:NAME.")
    written: str = yaml_values.text(at)
    name = "local" if is_local(written) else written.removeprefix(PREFIX)
    if not name:
        raise at.refusal(f"The compute has no name: write {PREFIX}NAME, or leave 'compute' out.")
    return name


def is_local(compute: str | None) -> bool:
    """Return True if a job is to run on the machine that sends it."""
    return compute is not None and compute.lower() == "local"


def code(at: Cursor) -> str | LocalPath:
    """Code: a path, a URL, or a registered code version (then without its prefix)."""
    written = yaml_values.text(at)
    if written.startswith(("git+", "http://", "https://")):
        return written
    if written.startswith((REGISTRIES, FEEDS)):
        return registry(at)
    if written.startswith(PREFIX):
        return str(versioned("codes")(at))
    return local(at)
