"""Settings: every default, every way to name the storage, every mistake by its name."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from shared import settings
from shared.rest import clouds, errors


def test_an_empty_environment_gives_the_defaults():
    """The app starts with nothing set; what it then lacks is said when it is needed."""
    assert settings.from_environ({}) == settings.Settings()
    assert settings.Settings().cleanup
    assert not settings.Settings().plain_scoring
    assert not settings.Settings().previews


def test_blank_values_count_as_unset():
    """The portal leaves empty settings behind."""
    names = (
        "STEWARD_CLOUD",
        "STEWARD_RETENTION_DAYS",
        "STEWARD_CLEANUP",
        "STEWARD_ALLOW_PLAIN_SCORING",
        "AzureWebJobsStorage",
    )
    assert settings.from_environ(dict.fromkeys(names, " ") | {"AzureWebJobsStorage": ""}) == settings.Settings()


def test_every_setting_is_read():
    """Each name changes exactly what it says."""
    environ = {
        "STEWARD_SUBSCRIPTION_ID": "s", "STEWARD_RESOURCE_GROUP": "g", "STEWARD_CLOUD": "azureusgovernment",
        "AzureWebJobsStorage": "UseThis", "AzureWebJobsStorage__clientId": "c", "AzureWebJobsStorage__tableServiceUri": "https://t",
        "AzureWebJobsStorage__blobServiceUri": "https://b", "AzureWebJobsStorage__queueServiceUri": "https://q",
        "STEWARD_RETENTION_DAYS": "7", "PYTHON_THREADPOOL_THREAD_COUNT": "64", "STEWARD_ALLOW_PLAIN_SCORING": "TRUE",
        "STEWARD_PREVIEWS": "true", "STEWARD_CLEANUP": "Off", "STEWARD_CLEANUP_REPORT_DAYS": "9", "STEWARD_COST_DAYS": "30",
        "STEWARD_MAX_TTL": "computeInstance=PT12H, job=P2D", "STEWARD_FAILURE_LOGS": "off",
        "STEWARD_UNNAMED_KEYS": "Refused", "STEWARD_AUDIT_DAYS": "90", "STEWARD_APPROVALS": "Cleanup, resourcegroups",
        "STEWARD_APPROVAL_HOURS": "8", "STEWARD_SCORE_HOURS": "2", "STEWARD_UPLOADS": "3", "STEWARD_UPLOAD_GB": "5",
    }  # fmt: skip
    assert settings.from_environ(environ) == settings.Settings(
        subscription_id="s", resource_group="g", cloud=clouds.US_GOVERNMENT, storage="UseThis", table_uri="https://t",
        blob_uri="https://b", queue_uri="https://q", storage_client_id="c", retention_days=7, threads=64, plain_scoring=True,
        previews=True, cleanup=False, cleanup_days=9, cost_days=30, failure_logs=False,
        max_ttl=(("computeInstance", timedelta(hours=12)), ("job", timedelta(days=2))),
        unnamed_keys=False, audit_days=90, approvals=frozenset({"cleanup", "resourceGroups"}), approval_hours=8,
        score_hours=2, uploads=3, upload_gb=5,
    )  # fmt: skip


@pytest.mark.parametrize("cloud", clouds.CLOUDS.values(), ids=lambda cloud: cloud.name)
def test_an_account_name_is_enough_for_access_by_identity(cloud):
    """Each cloud has its own storage domain."""
    found = settings.from_environ({"AzureWebJobsStorage__accountName": "acct", "STEWARD_CLOUD": cloud.name})
    assert (found.table_uri, found.blob_uri, found.queue_uri) == tuple(
        f"https://acct.{service}{cloud.storage_suffix}" for service in ("table", "blob", "queue")
    )
    assert found.storage == ""


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;"])
def test_development_storage_is_azurite(text):
    """As `func init` writes it; the data-tables client does not know the short form."""
    assert settings.from_environ({"AzureWebJobsStorage": text}).storage == settings.AZURITE


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("STEWARD_RETENTION_DAYS", "0", "from 1"),
        ("STEWARD_RETENTION_DAYS", "-1", "whole number"),
        ("STEWARD_RETENTION_DAYS", "1.5", "whole number"),
        ("STEWARD_RETENTION_DAYS", "a month", "whole number"),
        ("STEWARD_RETENTION_DAYS", "9" * 5_000, "to 100000"),
        ("PYTHON_THREADPOOL_THREAD_COUNT", "0", "from 1"),
        ("STEWARD_ALLOW_PLAIN_SCORING", "yes", "false, true"),
        ("STEWARD_PREVIEWS", "1", "false, true"),
        ("STEWARD_CLEANUP", "enforce", "on, off"),
        ("STEWARD_CLEANUP_REPORT_DAYS", "0", "from 1"),
        ("STEWARD_MAX_TTL", "computeinstances=PT12H", "computeInstance"),
        ("STEWARD_MAX_TTL", "job=long", "P90D, PT2H"),
        ("STEWARD_FAILURE_LOGS", "yes", "on, off"),
        ("STEWARD_ADDRESS", "steward.contoso.com", "https://HOST/api"),
        ("STEWARD_ADDRESS", "http://steward.contoso.com/api", "https://HOST/api"),
        ("STEWARD_ADDRESS", "https://u@steward.contoso.com/api", "https://HOST/api"),
        ("STEWARD_ADDRESS", "https://steward.contoso.com/api?code=x", "https://HOST/api"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_was_expected_and_turns_off_its_feature_only(name, value, expected):
    """One mistake stopped every function, and events were lost over it."""
    found = settings.from_environ({name: value, "STEWARD_SUBSCRIPTION_ID": "s"})
    (problem,) = found.problems
    assert (problem.name, found.subscription_id) == (name, "s")
    assert expected in problem.message
    assert len(problem.message) < 200
    assert found.problem(name) == problem.message
    assert found.problem("STEWARD_NOTIFY") == ""


def test_an_unknown_cloud_stops_the_app():
    """Without it no host may see a token."""
    with pytest.raises(ValueError, match="AzureCloud, AzureUSGovernment, AzureChinaCloud"):
        settings.from_environ({"STEWARD_CLOUD": "AzureGermanCloud"})


REFERENCE = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)"
OPTIONAL = (
    "STEWARD_SUBSCRIPTION_ID", "STEWARD_SUBSCRIPTIONS",
    "STEWARD_RESOURCE_GROUP", "STEWARD_RETENTION_DAYS", "STEWARD_ALLOW_PLAIN_SCORING",
    "STEWARD_PREVIEWS", "STEWARD_CALLBACK_HOSTS", "STEWARD_WEBHOOK_SECRETS", "STEWARD_NOTIFY",
    "STEWARD_POLL_WITH_EVENTS", "STEWARD_CLEANUP", "STEWARD_UNNAMED_KEYS", "STEWARD_AUDIT_DAYS", "STEWARD_APPROVALS",
    "STEWARD_APPROVAL_HOURS", "STEWARD_FAILURE_LOGS", "STEWARD_SCORE_HOURS", "STEWARD_UPLOADS", "STEWARD_UPLOAD_GB",
    "STEWARD_CLEANUP_REPORT_DAYS", "STEWARD_TELEMETRY", "PYTHON_THREADPOOL_THREAD_COUNT",
    "STEWARD_MAX_TTL", "STEWARD_COST_DAYS",
    "WEBSITE_AUTH_ENABLED",
    "STEWARD_APPROVAL_HOURS", "STEWARD_CLEANUP_REPORT_DAYS", "STEWARD_TELEMETRY", "PYTHON_THREADPOOL_THREAD_COUNT",
    "WEBSITE_AUTH_ENABLED", "STEWARD_ADDRESS",
)  # fmt: skip


def test_every_setting_of_the_app_is_among_those_tried():
    """A new one that stops the app is found here."""
    asked = set()

    class Environ(dict):
        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

    settings.from_environ(Environ())
    others = {name for name in asked if name.startswith("AzureWebJobsStorage")} | {"STEWARD_CLOUD", "WEBSITE_HOSTNAME"}
    assert asked - others == set(OPTIONAL)


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_unresolved_reference_turns_off_only_what_it_is_for(name):
    """The platform shows the app the reference itself when the vault cannot be read."""
    found = settings.from_environ({name: REFERENCE})
    assert [each.name for each in found.problems] == [name]
    assert "Key Vault reference" in found.problems[0].message
    assert "Microsoft.KeyVault" not in str(dataclasses.replace(found, problems=()))


@pytest.mark.parametrize("name", ["STEWARD_CLOUD", "AzureWebJobsStorage", "AzureWebJobsStorage__accountName"])
def test_an_unresolved_reference_to_what_the_app_cannot_do_without_stops_it(name):
    """With the reason."""
    with pytest.raises(ValueError, match=f"{name} is a Key Vault reference"):
        settings.from_environ({name: REFERENCE})


A, B = (f"0000000{number}-0000-0000-0000-00000000000{number}" for number in (1, 2))


@pytest.mark.parametrize(
    ("environ", "listed"),
    [
        ({}, ()),
        ({"STEWARD_SUBSCRIPTION_ID": "s"}, ("s",)),
        ({"STEWARD_SUBSCRIPTIONS": f"{A}, {B} {A.upper()}"}, (A, B)),
        ({"STEWARD_SUBSCRIPTION_ID": B.upper(), "STEWARD_SUBSCRIPTIONS": f"{B},{A}"}, (B, A)),
    ],
)
def test_the_first_of_the_subscriptions_is_the_home(environ, listed):
    """Without a list it is the one subscription."""
    found = settings.from_environ(environ)
    assert (found.subscriptions, found.subscription_id, found.problems) == (listed, listed[0] if listed else "", ())
    assert found.everywhere(B) == (listed if B in listed else (*listed, B))


@pytest.mark.parametrize(
    ("value", "expected"), [("churn", "expected ids of subscriptions"), (f"{B} {A}", "make them the same, or set only the list")]
)
def test_a_list_of_subscriptions_that_cannot_be_used_leaves_nothing_known_to_be_unused(value, expected):
    """The home stays, for paths; who refers to something from the others is not known."""
    found = settings.from_environ({"STEWARD_SUBSCRIPTION_ID": A, "STEWARD_SUBSCRIPTIONS": value})
    assert (found.subscriptions, expected in found.problem("STEWARD_SUBSCRIPTIONS")) == ((A,), True)
    with pytest.raises(errors.RejectedError, match=expected):
        found.everywhere()


def test_what_is_off_deletes_nothing_and_cleans_nothing():
    """A retention that cannot be read is no reason to delete."""
    found = settings.from_environ(dict.fromkeys(("STEWARD_RETENTION_DAYS", "STEWARD_CLEANUP", "STEWARD_CLEANUP_REPORT_DAYS"), "x"))
    assert (found.retention_days, found.cleanup_days, found.cleanup) == (100_000, 100_000, False)


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, ""),
        ({"WEBSITE_HOSTNAME": "app.azurewebsites.net"}, "https://app.azurewebsites.net/api"),
        ({"WEBSITE_HOSTNAME": "127.0.0.1:7071"}, "http://127.0.0.1:7071/api"),
        ({"WEBSITE_HOSTNAME": "localhost:7071"}, "http://localhost:7071/api"),
        (
            {"WEBSITE_HOSTNAME": "app.azurewebsites.net", "STEWARD_ADDRESS": "https://ml.contoso.com/steward/"},
            "https://ml.contoso.com/steward",
        ),
        ({"WEBSITE_HOSTNAME": "app.azurewebsites.net", "STEWARD_ADDRESS": "evil"}, "https://app.azurewebsites.net/api"),
    ],
)
def test_the_apps_own_address_is_a_setting(environ, address):
    """The platform's, unless callers reach the app by another."""
    found = settings.from_environ(environ)
    assert (found.address, found.source) == (address, address or "/azureml-steward")
