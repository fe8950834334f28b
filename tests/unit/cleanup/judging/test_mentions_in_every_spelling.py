"""A reference is found in every spelling, and counts for the home it names: a referenced asset is never judged stale."""

from __future__ import annotations

import string
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cleanup.facts import mentions
from tests import tables

HOME = mentions.workspace_home("S", "g", "ws")
OTHER = mentions.workspace_home("S", "g", "other")
GUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
ARM = "/subscriptions/S/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces"


def found_in(body, home=HOME):
    """Return what one body mentions."""
    found = mentions.Mentions()
    found.add(body, "who", home)
    return found


@tables.each(
    "text",
    [
        f"{ARM}/ws/models/Flats/versions/3",
        f"azureml:{ARM}/ws/models/flats/versions/3",
        f"azureml:{ARM.upper()}/WS/MODELS/FLATS/VERSIONS/3",
        f"{ARM}/ws/models/flats/versions/3/",
        f"{ARM}//ws//models//flats//versions//3".replace("/providers//", "/providers/"),
        "subscriptions/S/resourcegroups/g/providers/microsoft.machinelearningservices/workspaces/ws/models/flats/versions/3",
        "azureml://subscriptions/S/resourceGroups/g/workspaces/ws/models/flats/versions/3",
        "azureml://subscriptions/S/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws/models/flats/versions/3",
        f"azureml://locations/westeurope/workspaces/{GUID}/models/flats/versions/3",
        "azureml://registries/shared/models/flats/versions/3",
        "azureml:flats:3",
        "flats:3",
        "FLATS:3",
        "azureml:flats@latest",
        "flats@production",
        "azureml:flats",
        f"{ARM}/ws/models/flats/labels/latest",
        f"{ARM}/ws/models/flats",
        f"azureml:{ARM}/ws/models/fl%61ts/versions/3",
        quote(f"{ARM}/ws/models/flats/versions/3", safe=""),
        quote(quote(f"{ARM}/ws/models/flats/versions/3", safe=""), safe=""),
        "python score.py --model azureml:flats:3 --fast",
        "It serves azureml:flats:3.",
        "azureml:flats:3/model.pkl",
        "azureml:flats:3:whatever",
        "models:/flats/3",
        "models:/Flats/Production",
        "models:/flats@champion",
        "python score.py --model models:/flats/3/",
        f'{{"model": "{ARM}/ws/models/flats/versions/3"}}',
    ],
)
@tables.each("place", ["model", "uri", "anything", "list", "deep"])
def test_a_model_is_found_in_every_spelling_and_place(text, place):
    """With and without `azureml:`, by name, by label, encoded once or twice, inside a command line, anywhere in a body."""
    body = {"list": {"x": [None, 1, text]}, "deep": {"a": {"b": [{"c": {"d": text}}]}}}.get(place, {place: text})
    assert found_in(body).of_asset([HOME, mentions.guid_home(GUID)], "models", "flats", "3") == "who"


def test_a_name_and_version_in_variables_is_found():
    """A scoring script may load what its environment names."""
    found = found_in({"environmentVariables": {"MODEL_NAME": "flats", "MODEL_VERSION": "3"}})
    assert found.of_asset([HOME], "models", "flats", "3")


def test_a_full_id_counts_for_its_own_home_version_and_family_only():
    """What is named exactly keeps exactly that."""
    found = found_in({"model": f"{ARM}/other/models/flats/versions/3"})
    assert found.of_asset([OTHER], "models", "flats", "3")
    assert not found.of_asset([HOME], "models", "flats", "3")
    assert not found.of_asset([OTHER], "models", "flats", "4")
    assert not found.of_asset([OTHER], "models", "houses", "3")
    assert not found.of_asset([OTHER], "environments", "flats", "3")


def test_a_name_without_a_home_is_one_of_the_referrers():
    """`azureml:flats:3` in workspace other is not workspace ws's."""
    found = found_in({"model": "azureml:flats:3"}, OTHER)
    assert found.of_asset([OTHER], "models", "flats", "3")
    assert not found.of_asset([HOME], "models", "flats", "3")


def test_what_a_registry_has_keeps_the_copy_of_that_name_and_version():
    """A workspace's model of the same name and version may be where the registry's came from."""
    found = found_in({"model": "azureml://registries/shared/models/flats/versions/3"})
    assert found.of_asset([mentions.registry_home("shared")], "models", "flats", "3")
    assert found.of_asset([OTHER], "models", "flats", "3")
    assert not found.of_asset([OTHER], "models", "flats", "2")


@pytest.mark.parametrize(
    "body",
    [
        {"environment": {"name": "sklearn", "version": "3"}},
        {"environmentName": "sklearn", "environmentVersion": 3},
        {"runDefinition": {"environment": {"Name": "SKLearn", "Version": "3"}}},
    ],
)
def test_v1_names_and_versions_in_two_members_are_found(body):
    """Run definitions of v1 spell an environment so."""
    assert found_in(body).of_asset([HOME], "environments", "sklearn", "3")


def test_a_component_does_not_refer_to_itself_by_stating_its_name():
    """Its spec has its own name and version; else no component would ever be stale."""
    found = mentions.Mentions()
    spec = {
        "componentSpec": {"name": "train", "version": "1", "environment": "azureml:env:2", "code": {"name": "c", "version": "7"}}
    }
    found.add(spec, "component train:1", HOME, ("train", "1"))
    assert not found.of_asset([HOME], "components", "train", "1")
    assert found.of_asset([HOME], "environments", "env", "2")
    assert found.of_asset([HOME], "codes", "c", "7")


def test_code_is_found_by_its_guid_alone():
    """Code is named by a GUID; v1 calls it a snapshot."""
    assert found_in({"snapshotId": GUID}).of_asset([HOME], "codes", GUID, "1")


def test_what_cannot_be_read_as_an_asset_protects_what_it_names():
    """A text in the place of a model that has no known form keeps every version of the model it mentions."""
    found = found_in({"model": "hub://somewhere/flats?rev=3"})
    assert found.of_asset([HOME], "models", "Flats", "1")
    assert not found.of_asset([HOME], "models", "houses", "1")
    assert not found.of_asset([OTHER], "models", "flats", "1")


@pytest.mark.parametrize("body", [{"compute": f"{ARM}/ws/computes/CPU"}, {"computeId": "azureml:cpu"}, {"default_compute": "cpu"}])
def test_a_compute_is_found_in_every_spelling(body):
    """By id, short, or by name alone."""
    assert found_in(body).of_compute([HOME], "cpu")
    assert not found_in(body).of_compute([HOME], "gpu")


@pytest.mark.parametrize(
    "text",
    [
        f"{ARM}/ws/data/Diabetes dataset/versions/1",
        f"azureml:{ARM}/ws/data/Diabetes%20dataset/versions/1",
        "azureml://locations/westeurope/workspaces/" + GUID + "/data/diabetes%20dataset/versions/1",
        "azureml:Diabetes dataset:1",
        "azureml:diabetes dataset@latest",
        "Diabetes dataset:1",
    ],
)
def test_a_name_of_v1s_with_a_space_in_it_is_found(text):
    """v1 registered datasets under any text; v2 lists them as data assets."""
    found = found_in({"inputs": {"in": {"uri": text}}})
    assert found.of_asset((HOME, mentions.guid_home(GUID)), "data", "Diabetes dataset", "1")
    assert not found.of_asset((HOME, mentions.guid_home(GUID)), "data", "dataset", "1")


def test_nothing_is_found_in_nothing():
    """Null members are common (docs/protocol.md §8)."""
    found = found_in({"model": None, "compute": "", "tags": [None, 1, True], "environment": {}})
    assert (found.found, found.unclear) == ({}, {})


@pytest.mark.parametrize("piece", ["data/x/versions/1 ", "azureml:", "computes/a/", "workspaces/", "models:/", "a:b@", "%25", "/"])
def test_a_text_as_long_as_there_is_takes_no_time(piece):
    """A million characters of almost-references, and one at the end of them."""
    found = found_in(piece * (1_000_000 // len(piece)) + " azureml:flats:3")
    assert found.of_asset([HOME], "models", "flats", "3")


NAMES = st.text(string.ascii_letters + string.digits + "-_.", min_size=1, max_size=20).filter(lambda name: name[0].isalnum())
FORMS = (
    "azureml:{name}:{version}",
    "{name}:{version}",
    "azureml:{name}@latest",
    "azureml://registries/any/{family}/{name}/versions/{version}",
    ARM + "/ws/{family}/{name}/versions/{version}",
    "azureml:" + ARM + "/ws/{family}/{name}/labels/latest",
    "azureml://subscriptions/S/resourceGroups/g/workspaces/ws/{family}/{name}/versions/{version}",
)


@settings(deadline=None)
@given(
    name=NAMES,
    version=NAMES,
    family=st.sampled_from(["models", "environments", "data", "components", "codes"]),
    form=st.sampled_from(FORMS),
    change=st.sampled_from([str, str.upper, str.lower, lambda text: quote(text, safe=""), lambda text: f"  {text}\n"]),
)
def test_no_spelling_of_a_reference_is_overlooked(name, version, family, form, change):
    """Any name, any version, any family, in any form, casing and encoding."""
    body = {"a": [{"b": change(form.format(name=name, version=version, family=family))}]}
    assert found_in(body).of_asset([HOME], family, name, version) == "who"
