"""ARM ids: read whatever their casing, written canonically, compared without it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rest import errors, ids

WORKSPACE = "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.MachineLearningServices/workspaces/w1"
NAMES = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "name", "full_type"),
    [
        ("/subscriptions/s1", "s1", ""),
        ("/subscriptions/s1/resourceGroups/g1", "g1", ""),
        (WORKSPACE, "w1", "Microsoft.MachineLearningServices/workspaces"),
        (
            f"{WORKSPACE}/onlineEndpoints/e/deployments/blue",
            "blue",
            "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        ),
    ],
)
def test_an_id_reads_back_as_it_was_written(text, name, full_type):
    """A subscription, a group, a resource, a child of a child."""
    found = ids.parse(text)
    assert (found.path, found.name, found.full_type.strip("/")) == (text, name, full_type)


def test_casing_and_the_leading_slash_do_not_matter():
    """docs/protocol.md §8: Azure's own casing is not stable; the article's bodies lack the slash."""
    odd = "subscriptions/S1/resourcegroups/G1/PROVIDERS/microsoft.machinelearningservices/Workspaces/W1/"
    assert ids.parse(odd).key == ids.parse(WORKSPACE).key


def test_an_id_that_ends_in_a_type_is_a_collection():
    """A list's path."""
    found = ids.parse(f"{WORKSPACE}/computes")
    assert (found.is_collection, found.path) == (True, f"{WORKSPACE}/computes")
    assert not ids.parse(WORKSPACE).is_collection


def test_relatives_are_derived():
    """The workspace of a deployment; a run of an experiment."""
    deployment = ids.parse(f"{WORKSPACE}/onlineEndpoints/e/deployments/blue")
    assert deployment.ancestor(1).path == WORKSPACE
    assert deployment.ancestor(2).name == "e"
    assert ids.parse(WORKSPACE).child("jobs").is_collection
    assert ids.parse(WORKSPACE).child("jobs", "j").path == f"{WORKSPACE}/jobs/j"


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "x", "/subscriptions", "/subscriptions/", "/resourceGroups/g", "/subscriptions/s/resourceGroups",
        "/subscriptions/s/other/x", "/subscriptions/s/providers", "/subscriptions/s/providers/NS", f"{WORKSPACE}//jobs/j",
        "https://management.azure.com/subscriptions/s",
    ],
)  # fmt: skip
def test_what_is_no_id_is_refused_with_what_was_expected(text):
    """The message shows the form."""
    with pytest.raises(errors.BadRequestError) as refused:
        ids.parse(text)
    assert refused.value.error.code == "InvalidResourceId"
    assert "/subscriptions/{s}" in refused.value.error.message


@given(subscription=NAMES, group=NAMES, names=st.lists(NAMES, min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_name_survives_percent_encoding(subscription, group, names):
    """Percent signs, spaces, any script; or it is none, which is refused: a slash, a question mark, what leads elsewhere."""
    made = ids.ResourceId(
        subscription=subscription, resource_group=group, namespace="NS", types=("a", "b", "c")[: len(names)], names=tuple(names)
    )
    if any(ids.unnameable(name) for name in (subscription, group, *names)):
        with pytest.raises(errors.BadRequestError, match="InvalidPath"):
            _ = made.path
        return
    assert ids.parse(made.path) == made
    assert made.path.isascii()
    assert not set(made.path) & set(" ?#%\n") - {"%"}


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_id_or_refused(text):
    """Nothing else comes out."""
    try:
        ids.parse(text)
    except errors.BadRequestError as refused:
        if refused.error.code != "InvalidResourceId":
            raise
