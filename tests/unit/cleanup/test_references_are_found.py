"""Every spelling in which a body can refer to a model version or a compute is found; what is unclear protects."""

import pytest

from shared.cleanup.references import References

WORKSPACE = "/subscriptions/S/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws"


@pytest.mark.parametrize(
    "model",
    [
        f"{WORKSPACE}/models/Flats/versions/3",
        f"azureml:{WORKSPACE}/models/flats/versions/3",
        f"azureml:{WORKSPACE.upper()}/MODELS/FLATS/VERSIONS/3",
        "azureml://subscriptions/S/resourceGroups/g/workspaces/ws/models/flats/versions/3",
        "azureml://registries/shared/models/flats/versions/3",
        "azureml:flats:3",
        "flats:3",
        {"referenceType": "Id", "assetId": f"{WORKSPACE}/models/flats/versions/3"},
        {"referenceType": "Id", "assetId": f"azureml:{WORKSPACE}/models/fl%61ts/versions/3"},
    ],
)
def test_a_deployments_model_is_found_in_every_spelling(model):
    """Ids come with and without `azureml:`, as an object, short, in any casing and percent-encoded."""
    found = References()
    found.add({"model": model}, "online deployment blue of endpoint ep")
    assert found.of_model("flats", "3") == "online deployment blue of endpoint ep"
    assert not found.of_model("flats", "4")
    assert not found.of_model("houses", "3")


@pytest.mark.parametrize("model", ["azureml:flats@latest", f"{WORKSPACE}/models/flats/labels/latest"])
def test_a_label_refers_to_every_version(model):
    """What `latest` means today may be any version tomorrow."""
    found = References()
    found.add({"model": model}, "deployment")
    assert found.of_model("flats", "1")
    assert found.of_model("flats", "9")


def test_what_cannot_be_read_as_a_model_protects_the_models_it_names():
    """A text in the place of a model that has no known form keeps every version of the model it mentions."""
    found = References()
    found.add({"model": "hub://somewhere/flats?rev=3"}, "deployment")
    assert found.of_model("Flats", "1")
    assert not found.of_model("houses", "1")


def test_a_mention_deep_inside_counts():
    """A schedule's job body names models in its inputs, however deep."""
    found = References()
    job = {"action": {"jobDefinition": {"inputs": {"m": {"uri": "azureml:flats:2", "jobInputType": "mlflow_model"}}}}}
    found.add(job, "schedule nightly")
    assert found.of_model("flats", "2") == "schedule nightly"


def test_a_v1_services_models_are_found():
    """v1 services list model ids as `name:version`."""
    found = References()
    found.add({"name": "old", "environmentImageRequest": {"modelIds": ["flats:7"]}}, "v1 service old")
    assert found.of_model("flats", "7") == "v1 service old"


@pytest.mark.parametrize("compute", [f"{WORKSPACE}/computes/CPU", "azureml:cpu", "cpu"])
def test_a_compute_is_found_in_every_spelling(compute):
    """Batch deployments name their compute by id or by name."""
    found = References()
    found.add({"compute": compute}, "batch deployment b of endpoint e")
    assert found.of_compute("cpu") == "batch deployment b of endpoint e"
    assert not found.of_compute("gpu")


def test_nothing_is_found_in_nothing():
    """Null members are common (facts §8)."""
    found = References()
    found.add(None, "x")
    found.add({"model": None, "compute": None, "tags": [None, 1, True]}, "x")
    assert found.models == found.computes == found.unclear == {}
