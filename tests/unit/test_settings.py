"""Settings: every default, every way to name the storage, every mistake by its name."""

from __future__ import annotations

import pytest

from shared import settings
from shared.rest import clouds


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
        "STEWARD_PREVIEWS": "true", "STEWARD_CLEANUP": "Off", "STEWARD_CLEANUP_REPORT_DAYS": "9",
    }  # fmt: skip
    assert settings.from_environ(environ) == settings.Settings(
        subscription_id="s", resource_group="g", cloud=clouds.US_GOVERNMENT, storage="UseThis", table_uri="https://t",
        blob_uri="https://b", queue_uri="https://q", storage_client_id="c", retention_days=7, threads=64, plain_scoring=True,
        previews=True, cleanup=False, cleanup_days=9,
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
        ("STEWARD_CLOUD", "AzureGermanCloud", "AzureCloud, AzureUSGovernment, AzureChinaCloud"),
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
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_was_expected(name, value, expected):
    """Found at the first request and by `health`, in one line."""
    with pytest.raises(ValueError, match=name) as refused:
        settings.from_environ({name: value})
    assert expected in str(refused.value)
    assert len(str(refused.value)) < 200
