"""A translation under construction: the scope that short forms are expanded in, and what has to be done first.

What is known without asking Azure becomes an ARM id at once. What cannot (a file's URI once it is uploaded, the id of
an inline environment once it is registered, the version behind `@latest`) stands in the body as the user wrote it, and in
the translation as a thing to do with the places its outcome goes to. Not here: doing it, how short forms are read (references).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog.yaml import api_versions
from shared.catalog.yaml.references import PREFIX, REGISTRIES, SHORT_VERSION, LocalPath
from shared.text import yaml_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.rest.ids import ResourceId
    from shared.text.yaml_document import Cursor, RefusedError

CURATED = "AzureML-"  # environments whose short form Azure itself expands
_VIRTUAL_CLUSTER = re.compile(r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/virtualclusters/[^/]+$", re.IGNORECASE)
_REGISTRY_VERSION = re.compile(r"^azureml://registries/[^/]+/[^/]+/[^/]+/versions/[^/]+")
Purpose = Literal["code", "model", "data", "input", "environment", "feature_set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an outcome goes.

    Attributes:
        registration: Index of the registration whose body it is; None for the translation's own body.
        pointer: JSON pointer (RFC 6901) into that body.
        pattern: The value to put there, `{}` standing for the outcome.
    """

    registration: int | None
    pointer: str
    pattern: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A local file or folder the YAML names.

    Attributes:
        path: Below the YAML's own folder (`../` possible); '' when there is nothing but `includes`.
        purpose: `code`: to be registered as a code version, whose ARM id goes to the places. Else its URI goes there:
            `azureml://datastores/{datastore}/paths/…` for `input` and `data`, the long form with subscription for
            `model` and `feature_set`, the blob URL for `environment` (a build context).
        datastore: The one the YAML asks for, else None (the workspace's default).
        includes: Further files and folders to copy into it before (a component's `additional_includes`), same base as `path`.
        places: Where the outcome goes.
    """

    path: str
    purpose: Purpose
    datastore: str | None = None
    includes: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must lie where an upload's path leads: azure-ai-ml looks there before it sends anything.

    Attributes:
        path: The upload's own.
        purpose: Likewise.
        inside: Below that path; '' is the path itself.
        form: `file` or `folder`.
        refusal: What to raise when it is not there.
    """

    path: str
    purpose: Purpose
    inside: str
    form: Literal["file", "folder"]
    refusal: RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An environment, component, model or data asset defined inside another YAML, to be registered first.

    Attributes:
        type: Collection below the workspace: `environments`, `components`, `models`, `data`.
        name: Its name, or the one anonymous ones share.
        version: Its version; None means the next free one (`nextVersion` of the container).
        api_version: The one that its body is written for.
        body: ARM body of the version; may itself wait for uploads and earlier registrations.
        places: Where its ARM id goes.
    """

    type: str
    name: str
    version: str | None
    body: dict[str, Any]
    api_version: str
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """`azureml:name@label`: the version Azure has under that label is needed (its ARM id goes to the places)."""

    type: str
    name: str
    label: str
    places: tuple[Place, ...] = ()


@dataclass(slots=True, kw_only=True, eq=False)
class Pending:
    """Stands in a body under construction for what is not known yet."""

    shown: str
    make: Callable[[tuple[Place, ...]], Upload | Registration | Label]
    key: str
    pattern: str = "{}"
    body: dict[str, Any] | None = None

    def within(self, pattern: str) -> Pending:
        """Return the same thing to come, put into a pattern where it stands."""
        return Pending(shown=self.shown, make=self.make, key=self.key, pattern=pattern, body=self.body)


@dataclass(slots=True, kw_only=True)
class Draft:
    """A translation under construction: the scope that short forms are expanded in, and what has to be done first.

    Attributes:
        workspace: The workspace or registry; None leaves short forms as they are.
        location: Its region, when the caller knows it.
        workspace_id: Its `workspaceId` (a GUID), likewise.
        registrations: In the order they must be made.
        expected: What the files that come with the YAML must have.
    """

    workspace: ResourceId | None = None
    location: str | None = None
    workspace_id: str | None = None
    registrations: list[Pending] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)

    def named(self, kind: str, name: str) -> str:
        """Return the ARM id of `computes`, `datastores`, `jobs` … by name; an id passes."""
        if self.workspace is None or _is_id(name, kind):
            return name
        return self.workspace.child(kind, name).path

    def registered_code(self, code: Any) -> Any:
        """Return the ARM id of a registered code version given as `name:version`; anything else passes."""
        if isinstance(code, str) and SHORT_VERSION.match(code) and self.workspace is not None:
            name, _, version = code.partition(":")
            return self.workspace.child("codes", name).child("versions", version).path
        return code

    def compute(self, name: str | None) -> str | None:
        """Return the ARM id of a compute; expressions pass."""
        if name is None or yaml_values.is_binding(name) or _VIRTUAL_CLUSTER.match(name):
            return name
        cluster = name.lower().removeprefix("virtualclusters/")
        if cluster != name.lower():
            if self.workspace is None:
                return name
            scope = f"/subscriptions/{self.workspace.subscription}/resourceGroups/{self.workspace.resource_group}"
            return f"{scope}/providers/{self.workspace.namespace}/virtualclusters/{name[len('virtualclusters/') :]}"
        return self.named("computes", name)

    def versioned(self, kind: str, reference: str, at: Cursor) -> str | Pending:
        """Expand `name:version` or `name@label` (the prefix `azureml:` already off).

        Raises:
            RefusedError: Neither version nor label is given.
        """
        if _is_id(reference, kind) or reference.startswith((REGISTRIES, "/subscriptions/")):
            return reference
        if kind == "environments" and (reference.startswith(CURATED) or _REGISTRY_VERSION.match(PREFIX + reference)):
            return PREFIX + reference
        if self.workspace is not None and self.workspace.types[:1] == ("registries",):
            example = f"{REGISTRIES}{self.workspace.names[0]}/{kind}/…/versions/…"
            raise at.refusal(f"What a registry holds cannot refer to a workspace's '{reference[:80]}': write {example}.")
        name, _, label = reference.rpartition("@")
        if name and label == "default" and kind == "components":
            return f"{self.workspace.child(kind, name).path}/labels/default" if self.workspace else PREFIX + reference
        if name:
            return self.label(kind, name, label)
        name, _, version = reference.partition(":")
        if not version:
            shown = name[:80]
            raise at.refusal(f"'{shown}' names no version: write {PREFIX}{shown}:1 or {PREFIX}{shown}@latest.")
        if self.workspace is None:
            return PREFIX + reference
        return self.workspace.child(kind, name).child("versions", version).path

    def label(self, kind: str, name: str, label: str) -> Pending:
        """Return what stands for the version behind a label."""
        key = f"label {kind} {name} {label}"
        return Pending(
            shown=f"{PREFIX}{name}@{label}",
            key=key,
            make=lambda places: Label(type=kind, name=name, label=label, places=places),
        )

    def expect(
        self, local: LocalPath, purpose: Purpose, form: Literal["file", "folder"], refusal: RefusedError, *, inside: str = ""
    ) -> None:
        """Refuse the files that come with the YAML unless such a file or folder is among them."""
        self.expected.append(Expected(path=local.path, purpose=purpose, inside=inside, form=form, refusal=refusal))

    def upload(
        self,
        local: LocalPath,
        purpose: Purpose,
        *,
        datastore: str | None = None,
        pattern: str = "{}",
        includes: tuple[str, ...] = (),
    ) -> Pending:
        """Return what stands for the outcome of an upload."""

        def make(places: tuple[Place, ...]) -> Upload:
            return Upload(path=local.path, purpose=purpose, datastore=datastore, includes=includes, places=places)

        return Pending(
            shown=local.shown,
            key=f"upload {purpose} {datastore} {local.path} {includes}",
            make=make,
            pattern=pattern,
        )

    def register(self, kind: str, body: dict[str, Any], *, name: str | None, version: str | None, anonymous: str = "") -> Pending:
        """Return what stands for the id of a thing to be registered; the same body is registered once.

        Args:
            kind: `environments`, `components`, `models` or `data`.
            body: Its ARM body, possibly waiting for others.
            name: Its name; None makes it anonymous: its version, or its name, is then a hash of the body.
            version: Its version, None for the next.
            anonymous: The name that anonymous ones share; '' where each has its own, made of the body.
        """
        digest = hashlib.sha256(json.dumps(_plain(body), sort_keys=True, default=_fingerprint).encode()).hexdigest()
        key = f"registration {kind} {name or anonymous} {version} {digest}"
        known = next((each for each in self.registrations if each.key == key), None)
        if known:
            return known.within("{}")
        if name or not anonymous:
            named, numbered = name or digest, version or (None if name else "1")
        else:
            named, numbered = anonymous, version or _as_version(kind, digest)

        def make(places: tuple[Place, ...]) -> Registration:
            api_version = api_versions.of_registration(kind)
            return Registration(type=kind, name=named, version=numbered, body=body, api_version=api_version, places=places)

        shown = f"{PREFIX}{named}:{numbered}" if numbered else f"{PREFIX}{named}"
        if self.workspace is not None and numbered:
            shown = self.workspace.child(kind, named).child("versions", numbered).path
        pending = Pending(shown=shown, key=key, make=make, body=body)
        self.registrations.append(pending)
        return pending


def finish(
    draft: Draft, body: dict[str, Any]
) -> tuple[dict[str, Any], tuple[Upload, ...], tuple[Registration, ...], tuple[Label, ...]]:
    """Return the body and what has to be done first, everything pending replaced by what is shown for it."""
    found: dict[str, tuple[Pending, list[Place]]] = {}
    whole = _settled(body, None, "", found)
    bodies = [_settled(each.body, index, "", found) for index, each in enumerate(draft.registrations)]
    items = [pending.make(tuple(places)) for pending, places in found.values()]
    registrations = []
    for pending, settled in zip(draft.registrations, bodies, strict=True):
        _, places = found.get(pending.key, (pending, []))
        item = pending.make(tuple(places))
        if isinstance(item, Registration):
            registrations.append(replace(item, body=settled))
    uploads = tuple(item for item in items if isinstance(item, Upload))
    labels = tuple(item for item in items if isinstance(item, Label))
    return whole, uploads, tuple(registrations), labels


def _settled(value: Any, index: int | None, pointer: str, found: dict[str, tuple[Pending, list[Place]]]) -> Any:
    """Return a body with what is pending replaced by what is shown, its places noted in `found`."""
    if isinstance(value, Pending):
        place = Place(registration=index, pointer=pointer, pattern=value.pattern)
        found.setdefault(value.key, (value, []))[1].append(place)
        return value.pattern.replace("{}", value.shown)
    if isinstance(value, LocalPath):
        return value.shown
    if isinstance(value, dict):
        named = {key if isinstance(key, str) else _as_key(key): each for key, each in value.items()}
        return {key: _settled(each, index, f"{pointer}/{_escaped(key)}", found) for key, each in named.items()}
    if isinstance(value, list | tuple):
        return [_settled(each, index, f"{pointer}/{position}", found) for position, each in enumerate(value)]
    return written(value) if isinstance(value, dt.date) else value


def written(moment: dt.date) -> str:
    """Return an unquoted date or time as the CLI sends it."""
    return moment.isoformat().replace("+00:00", "Z")


def _as_key(key: Any) -> str:
    """Return a key that is no text as JSON writes it."""
    return written(key) if isinstance(key, dt.date) else json.dumps(key)


def _is_id(text: str, kind: str) -> bool:
    pattern = rf"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+/{kind}/."
    return bool(re.match(pattern, text, re.IGNORECASE))


def _as_version(kind: str, digest: str) -> str:
    if kind == "components":
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    return digest


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a component's body without where it came from: the CLI registers the same component once."""
    spec = body["properties"].get("componentSpec")
    if not isinstance(spec, dict):
        return body
    return {"properties": {**body["properties"], "componentSpec": {name: each for name, each in spec.items() if name != "_source"}}}


def _fingerprint(value: Any) -> str:
    return value.key if isinstance(value, Pending) else repr(value)


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
