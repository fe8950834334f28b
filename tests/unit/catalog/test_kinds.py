"""The table holds together: every row, by existing, is tested here."""

from __future__ import annotations

import re

import pytest

from shared.catalog import kinds
from shared.rest import addresses
from tests import tables

VERBS = {"GET", "LIST", "PUT", "PATCH", "DELETE"}
ROWS = kinds.KINDS


def test_no_two_rows_name_the_same_kind():
    """One row each: plane, provider and path, in any casing."""
    assert len(kinds.by_type()) == len(kinds.KINDS)


@tables.each("kind", ROWS)
def test_a_row_is_well_formed(kind):
    """Verbs, version, names, plane, pauses."""
    assert kind.verbs <= VERBS
    assert kind.verbs or kind.actions
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", kind.api_version)
    assert all(re.fullmatch(r"[a-zA-Z]+", segment) for segment in kind.types)
    assert kind.plane == "arm" or kind.plane in addresses.PLANE_VERSIONS
    assert 0 < kind.interval_s[0] <= kind.interval_s[1] <= 60
    assert (kind.label, kind.full_type) == (kind.types[-1], f"{kind.namespace}/{kind.path}")
    assert not kind.delete_query or re.fullmatch(r"[A-Za-z]+=[A-Za-z]+", kind.delete_query)


@tables.each("kind", ROWS)
def test_the_pattern_of_a_name_compiles_and_takes_no_separator(kind):
    """A name is one path segment."""
    if kind.name is not None:
        pattern = re.compile(kind.name)
        assert not any(pattern.fullmatch(bad) for bad in ("", "a/b", "a\\b", "a?b", "a#b", "a\nb", "..", "a" * 300))


@tables.each("kind", ROWS)
def test_the_actions_of_a_row_are_found_in_any_casing_and_clash_with_nothing(kind):
    """An action must not read like a child's type or a view."""
    names = [action.name.lower() for action in kind.actions]
    assert len(names) == len(set(names))
    children = {row.types[-1].lower() for row in kinds.KINDS if row.types[:-1] == kind.types and row.plane == kind.plane}
    assert not set(names) & (children | set(kind.views))
    for action in kind.actions:
        assert kind.action(action.name.upper()) is action
        assert not (action.direct and action.repeatable)
        assert not action.preview or re.fullmatch(r"\d{4}-\d{2}-\d{2}-preview", action.preview)
    assert kind.cancel is None or kind.action(kind.cancel)
    assert kind.action("no such action") is None


@tables.each("kind", ROWS)
def test_what_a_row_requires_or_hides_is_a_dotted_path(kind):
    """A star stands for any member, in secrets only."""
    assert all(re.fullmatch(r"[a-zA-Z]+(\.[a-zA-Z]+)*", path) for path in (*kind.required, kind.state_field))
    assert all(re.fullmatch(r"([a-zA-Z]+|\*)(\.([a-zA-Z]+|\*))*", path) for path in kind.secrets)
    assert not kind.required or kind.verbs & {"PUT"} or kind.named_by_us


@pytest.mark.parametrize("kind", [row for row in ROWS if row.scope != "group"])
def test_a_row_outside_resource_groups_is_read_only_or_acts(kind):
    """What belongs to a region or a tenant is not provisioned by id."""
    assert kind.verbs <= {"GET", "LIST"}


def test_parents_stand_in_the_table_too():
    """A child's collection is reached through its parent; the parent's own row may be Azure's only to hold children."""
    known = {(kind.plane, kind.namespace, kind.path) for kind in kinds.KINDS} | {("arm", kinds.ML, "registries/datareferences")}
    for kind in kinds.KINDS:
        parent = kind.path.rpartition("/")[0]
        assert not parent or {(kind.plane, kind.namespace, parent), ("arm", kinds.ML, parent)} & known, kind.path


@pytest.mark.parametrize("quirk", kinds.QUIRKS, ids=lambda quirk: f"{quirk.code} {quirk.meaning}")
def test_every_quirk_has_its_proof_and_a_pattern_that_compiles(quirk):
    """Deviations stand in one place, each with the link or fact that proves it."""
    assert re.search(r"#\d+|docs/protocol|article|ARM", quirk.proof)
    assert quirk.message is None or re.compile(quirk.message)


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        ("UserError", "Cannot create a deployment in endpoint e: the endpoint e is currently updating.", "busy"),
        ("USERERROR", "Another operation on same entity is already running.", "busy"),
        ("Conflict", "There is already an operation on this deployment.", "busy"),
        ("AnotherOperationInProgress", "anything", "busy"),
        ("ReferencedResourceNotProvisioned", "x", "busy"),
        ("MissingSubscriptionRegistration", "The subscription is not registered to use namespace 'Microsoft.X'.", "unregistered"),
        ("NoRegisteredProviderFound", "No registered resource provider found for location 'x'.", "unregistered"),
        ("UserError", "The vmSize is unknown.", None),
        ("Conflict", "The name is taken.", None),
        ("ResourceNotFound", "another operation is already running", None),
        (None, "another operation", None),
        ("", "", None),
    ],
)
def test_a_refusal_is_waited_out_only_when_a_quirk_names_it(code, message, meaning):
    """A 409 is final unless QUIRKS names it as busy."""
    found = kinds.quirk_of(code, message)
    assert (found.meaning if found else None) == meaning
