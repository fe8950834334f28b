"""Kinds, names, overrides, short forms, and what has to happen before a body can be sent."""

import pytest

from shared.catalog import yaml as translations
from shared.catalog.yaml import references
from shared.rest import ids
from shared.text import yaml_document
from tests import tables

ROOT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
WORKSPACE = ids.parse(ROOT)
JOB = "command: echo\nenvironment: azureml:e:1\n"
SCHEMAS = "https://azuremlschemas.azureedge.net/latest/"


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (SCHEMAS + "commandJob.schema.json", "job"),
        (SCHEMAS + "pipelineComponent.schema.json", "component"),
        (SCHEMAS + "managedOnlineDeployment.schema.json", "online_deployment"),
        (SCHEMAS + "modelBatchDeployment.schema.json", "batch_deployment"),
        (SCHEMAS + "azureDataLakeGen2.schema.json", "datastore"),
        ("http://azureml/sdk-2-0/Featureset.json", "feature_set"),
        ("http://azureml/sdk-2-0/Schedule.json", "schedule"),
        ("http://azureml/sdk-2-0/Connection.json", "connection"),
    ],
)
def test_the_schema_tells_the_kind(schema: str, kind: str) -> None:
    """Its last part is what counts: repositories name several hosts."""
    assert translations.detect(yaml_document.parse(f"$schema: {schema}\n")) == kind


@tables.each(("kind", "types"), [(kind, types) for kind, all_types in translations.KINDS.items() for types in all_types])
def test_the_path_tells_the_kind(kind: str, types: str) -> None:
    """The collection and the resource; what shares its path with another kind needs its schema, or is asked for."""
    parts = tuple(types.split("/"))
    target = ids.ResourceId(subscription="s", resource_group="g", namespace=WORKSPACE.namespace, types=parts, names=parts[1:])
    found = translations.detect(yaml_document.parse("name: x\n"), target=target)
    assert found == {"feature_store": "workspace", "data_import": "job", "model_package": "model"}.get(kind, kind)


def test_a_data_import_without_schema_is_told_by_its_fields() -> None:
    """It goes to the jobs, and is no job's YAML; its name is the data's, not the job's."""
    text = "name: orders\npath: azureml://datastores/d/paths/p\nsource: {type: database, query: q, connection: azureml:c}\n"
    made = translations.translate(text, target=WORKSPACE.child("jobs"))
    assert made.kind == "data_import"
    assert made.name is None
    assert made.body["properties"]["jobs"]["data_import_orders"]["outputs"]["sink"]["name"] == "orders"


def test_a_package_is_no_model() -> None:
    """A model package's YAML is refused where a model is made, and without the workspace's own id keeps the name as written."""
    text = "$schema: http://azureml/sdk-2-0/ModelVersionPackage.json\ntarget_environment: azureml:e:2\n"
    text += "inferencing_server: {type: triton, inference_configuration: {scoring_route: {port: 8000, path: /s}}}\n"
    model = WORKSPACE.child("models", "m").child("versions", "1")
    with pytest.raises(yaml_document.RefusedError, match="action 'package'"):
        translations.translate(text, target=model)
    made = translations.translate(text, target=model, kind="model_package")
    assert made.body["targetEnvironmentId"] == "e:2"
    assert made.body["inferencingServer"]["inferenceConfiguration"] == {"scoringRoute": {"port": 8000, "path": "/s"}}


def test_a_key_given_twice_counts_as_it_does_for_the_cli() -> None:
    """The last one; the translation says so, with its place."""
    made = translations.translate(JOB + "command: again\n", kind="job")
    assert made.body["properties"]["command"] == "again"
    assert "'command' is given twice" in made.to_json()["notes"][0]
    assert "line 3, column 1" in made.notes[0]


def test_the_targets_name_wins() -> None:
    """`az ml … --name` wins over the file too; a job's display name follows it."""
    made = translations.translate(JOB + "name: theirs\n", target=WORKSPACE.child("jobs", "ours"))
    assert made.name == "ours"
    assert made.body["properties"]["displayName"] == "ours"
    assert translations.translate(JOB, target=WORKSPACE.child("jobs")).name is None


def test_an_asset_has_a_version_and_a_deployment_its_endpoint() -> None:
    """No version means the next free one."""
    text = "name: e\nimage: x\n"
    assert translations.translate(text, target=WORKSPACE.child("environments")).version is None
    named = WORKSPACE.child("environments", "e").child("versions", "4")
    assert translations.translate(text, target=named).version == "4"
    slot = WORKSPACE.child("onlineEndpoints", "p").child("deployments", "blue")
    made = translations.translate("name: x\nmodel: azureml:m:1\ninstance_type: t\n", target=slot)
    assert (made.name, made.parent) == ("blue", "p")


def test_overrides_change_the_yaml_before_it_is_read() -> None:
    """As `--set` does: dotted paths, list elements, JSON values or text; new mappings are made on the way."""
    text = JOB + "inputs: {rate: 0.1}\ntags: {a: b}\n"
    changes = [("inputs.rate", "0.5"), ("resources.instance_count", "3"), ("tags.c", "plain text"), ("compute", "azureml:gpu")]
    made = translations.translate(text, kind="job", overrides=changes).body["properties"]
    assert made["inputs"]["rate"]["value"] == "0.5"
    assert made["resources"]["instanceCount"] == 3
    assert made["tags"] == {"a": "b", "c": "plain text"}
    assert made["computeId"] == "gpu"
    with pytest.raises(yaml_document.RefusedError, match="plain value"):
        translations.translate(text, kind="job", overrides=[("environment.image", "x")])


def test_without_a_target_short_forms_stay_short() -> None:
    """Nothing says which workspace they mean."""
    made = translations.translate(JOB + "compute: azureml:cpu\n", kind="job").body["properties"]
    assert (made["environmentId"], made["computeId"]) == ("azureml:e:1", "cpu")
    placed = translations.translate(JOB + "compute: azureml:cpu\n", target=WORKSPACE.child("jobs")).body["properties"]
    assert placed["environmentId"] == f"{ROOT}/environments/e/versions/1"
    assert placed["computeId"] == f"{ROOT}/computes/cpu"


def test_what_has_to_happen_first_names_its_places() -> None:
    """Code is uploaded, the inline environment registered, the label looked up; `fill` puts the outcomes in."""
    text = (
        "command: echo\ncode: ./src\nenvironment: {image: x, conda_file: c.yml}\n"
        "inputs:\n  rows: {type: mltable, path: azureml:rows@latest}\n  own: {type: uri_folder, path: data}\n"
    )
    made = translations.translate(text, target=WORKSPACE.child("jobs"), files={"c.yml": "name: c\n"}.get)
    code, own = made.uploads
    assert (code.path, code.purpose, own.path, own.purpose) == ("src", "code", "data", "input")
    (label,) = made.labels
    assert (label.type, label.name, label.label) == ("data", "rows", "latest")
    (environment,) = made.registrations
    assert environment.name == references.ANONYMOUS_ENVIRONMENT
    assert environment.body["properties"]["condaFile"] == "name: c\n"
    outcomes = [(code, "CODE"), (own, "URI"), (label, "ROWS"), (environment, "ENVIRONMENT")]
    for thing, outcome in outcomes:
        translations.fill([each.body for each in made.registrations], made.body, thing.places, outcome)
    properties = made.body["properties"]
    assert (properties["codeId"], properties["environmentId"]) == ("CODE", "ENVIRONMENT")
    assert (properties["inputs"]["rows"]["uri"], properties["inputs"]["own"]["uri"]) == ("ROWS", "URI/")


def test_the_same_inline_thing_is_registered_once_under_the_same_version() -> None:
    """An anonymous asset's version is a hash of its body, so that sending a job again registers nothing new."""
    node = "{command: echo, environment: {image: x}}"
    text = f"type: pipeline\ncompute: azureml:cpu\njobs:\n  a: {node}\n  b: {node}\n"
    made = translations.translate(text, target=WORKSPACE.child("jobs"))
    assert [each.type for each in made.registrations] == ["environments", "components"]
    again = translations.translate(text, target=WORKSPACE.child("jobs"))
    assert [each.version for each in made.registrations] == [each.version for each in again.registrations]
    assert len(made.registrations[1].places) == 2


def test_a_registration_may_wait_for_another() -> None:
    """Its place then is in that registration's body, not in the job's."""
    text = "type: pipeline\ncompute: azureml:cpu\njobs:\n  a: {command: echo, code: src, environment: {image: x}}\n"
    made = translations.translate(text, target=WORKSPACE.child("jobs"))
    environment, component = made.registrations
    assert [(place.registration, place.pattern) for place in environment.places] == [(1, "azureml:{}")]
    assert [(place.registration, place.pointer) for place in made.uploads[0].places] == [(1, "/properties/componentSpec/code")]
    assert component.places[0].pointer == "/properties/jobs/a/componentId"


def test_yaml_is_read_as_the_cli_reads_it() -> None:
    """YAML 1.1: octal numbers, `on` for true, merge keys, anchors."""
    text = "base: &base {image: x}\n"
    top = yaml_document.parse(text + "a: 010\nb: on\nc: {<<: *base, d: 1}\nd: *base\n")
    assert top.value == {"base": {"image": "x"}, "a": 8, "b": True, "c": {"image": "x", "d": 1}, "d": {"image": "x"}}


def test_a_registrys_asset_does_not_refer_to_a_workspaces() -> None:
    """The SDK refuses it too; registry ids and curated environments pass."""
    registry = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/registries/r")
    text = "name: c\nversion: 1\ncommand: echo\nenvironment: {}\n"
    with pytest.raises(yaml_document.RefusedError, match="registries/r/environments"):
        translations.translate(text.format("azureml:e:1"), target=registry.child("components"))
    far = "azureml://registries/azureml/environments/e/versions/1"
    for reference in (far, "azureml:AzureML-sklearn-1.5:1"):
        made = translations.translate(text.format(reference), target=registry.child("components"))
        assert made.body["properties"]["componentSpec"]["environment"] == reference
