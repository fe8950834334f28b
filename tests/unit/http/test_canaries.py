"""A secret in any place that a caller writes freely is gone once its operation has ended, and in no answer that outlives it.

Each place has a text of its own (a canary), which is then looked for in rows, blobs, messages, later answers and the log.
"""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from urllib3 import encode_multipart_formdata

from tests.fake_azure import Fault, refusal

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

SAS = "https://st1.blob.core.windows.net/c/p?sv=2024-01-01&sig={}&se=2027-01-01"
ENVIRONMENT = {"A": "{}", "B_TOKEN": "{}"}
JOB = {
    "jobType": "Command",
    "command": "python train.py --key {}",
    "environmentId": "azureml:e:1",
    "environmentVariables": ENVIRONMENT,
    "inputs": {
        "literal": {"jobInputType": "literal", "value": "{}"},
        "data": {"jobInputType": "uri_folder", "uri": SAS},
        "git": {"jobInputType": "uri_folder", "uri": "https://{}@github.com/o/r"},
    },
    "resources": {"properties": {"AISuperComputer": {"environmentVariables": {"C": "{}"}}}},
}
COMPUTE = {
    "computeType": "ComputeInstance",
    "properties": {
        "vmSize": "Standard_DS3_v2",
        "setupScripts": {
            "scripts": {
                "creationScript": {"scriptSource": "inline", "scriptData": "{}", "scriptArguments": "{}"},
                "startupScript": {"scriptSource": "inline", "scriptData": "{}", "scriptArguments": "{}"},
            }
        },
        "customServices": [{"name": "s", "environmentVariables": {"D": {"type": "local", "value": "{}"}}}],
    },
}
PRIVATE_INDEX = (
    "dependencies: [{{pip: ['--index-url https://u:{}@feed.contoso.com/simple']}}]\nchannels: ['https://u:{}@conda.contoso.com']"
)
DEPLOYMENT = {
    "location": "westeurope",
    "properties": {
        "endpointComputeType": "Managed",
        "model": "azureml:m:1",
        "environmentVariables": ENVIRONMENT,
        "codeConfiguration": {"scoringScript": "s.py"},
    },
}
SCHEDULE = {
    "properties": {
        "trigger": {"triggerType": "Cron", "expression": "* * * * *"},
        "action": {"actionType": "CreateJob", "jobDefinition": JOB},
    }
}
SERVICE = {
    "name": "svc", "computeType": "ACI", "sslKey": "{}", "sslCertificate": "{}",
    "environmentImageRequest": {
        "environment": {
            "name": "e", "environmentVariables": {"V": "{}"},
            "docker": {"baseImageRegistry": {"address": "r.azurecr.io", "username": "u", "password": "{}"}},
            "python": {"condaDependencies": {"text": "--extra-index-url https://u:{}@feed.contoso.com/"}},
        }
    },
}  # fmt: skip
CREDENTIALS = {
    "ApiKey": {"key": "{}"}, "PAT": {"pat": "{}"}, "SAS": {"sas": "{}"}, "CustomKeys": {"keys": {"one": "{}", "two": "{}"}},
    "UsernamePassword": {"username": "u", "password": "{}"}, "AccessKey": {"accessKeyId": "{}", "secretAccessKey": "{}"},
    "ServicePrincipal": {"clientId": "i", "clientSecret": "{}", "tenantId": "t"}, "AccountKey": {"key": "{}"},
}  # fmt: skip
OPEN_CONNECTION = {"category": "Git", "authType": "PAT", "target": "https://{}@github.com/o/r", "metadata": {"m": "{}"}}
STORE = {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c"}
STORE_CREDENTIALS = {
    "AccountKey": {"secrets": {"secretsType": "AccountKey", "key": "{}"}},
    "Sas": {"secrets": {"secretsType": "Sas", "sasToken": "{}"}},
    "Certificate": {"clientId": "i", "thumbprint": "t", "secrets": {"secretsType": "Certificate", "certificate": "{}"}},
    "ServicePrincipal": {"clientId": "i", "tenantId": "t", "secrets": {"secretsType": "ServicePrincipal", "clientSecret": "{}"}},
}
COMPUTE_SECRETS = {
    "AmlCompute": {"vmSize": "Standard_DS3_v2", "userAccountCredentials": {"adminUserName": "u", "adminUserPassword": "{}"}},
    "VirtualMachine": {"administratorAccount": {"username": "u", "password": "{}", "privateKeyData": "{}"}},
    "AKS": {"sslConfiguration": {"status": "Enabled", "cert": "{}", "key": "{}", "cname": "c"}},
    "Kubernetes": {"relayConnectionString": "{}", "serviceBusConnectionString": "{}"},
    "Databricks": {"databricksAccessToken": "{}"},
}
W = "workspaces/w1"
MADE: list[tuple[str, str, Any]] = [
    ("PUT", f"{W}/jobs/j1", {"properties": JOB}),
    ("POST", f"{W}/jobs", {"properties": JOB}),
    ("PUT", f"{W}/computes/ci1", {"location": "westeurope", "properties": COMPUTE}),
    ("PUT", f"{W}/onlineEndpoints/ep1/deployments/blue", DEPLOYMENT),
    ("PUT", f"{W}/batchEndpoints/bp1/deployments/blue", DEPLOYMENT),
    ("PUT", f"{W}/schedules/s1", SCHEDULE),
    ("PUT", f"{W}/environments/e1/versions/1", {"properties": {"image": "i", "condaFile": PRIVATE_INDEX}}),
    ("PUT", f"{W}/data/d1/versions/1", {"properties": {"dataType": "uri_file", "dataUri": SAS}}),
    ("PUT", f"{W}/models/m1/versions/1", {"properties": {"modelType": "custom_model", "modelUri": SAS}}),
    (
        "PUT",
        f"{W}/components/k1/versions/1",
        {"properties": {"componentSpec": {"type": "command", "command": "run --token {}", "environment_variables": {"E": "{}"}}}},
    ),
    *[
        ("PUT", f"{W}/datastores/ds_{kind.lower()}", {"properties": {**STORE, "credentials": {"credentialsType": kind, **secrets}}})
        for kind, secrets in STORE_CREDENTIALS.items()
    ],
    *[
        ("PUT", f"{W}/computes/x-{kind.lower()}", {"location": "westeurope", "properties": {"computeType": kind, "properties": of}})
        for kind, of in COMPUTE_SECRETS.items()
    ],
    *[
        (
            "PUT",
            f"{W}/connections/c-{kind.lower()}",
            {"properties": {"category": "Git", "target": "https://x.contoso.com", "authType": kind, "credentials": credentials}},
        )
        for kind, credentials in CREDENTIALS.items()
    ],
    ("PUT", f"{W}/connections/c-older", {"properties": {**OPEN_CONNECTION, "value": "{}"}}),
    ("PUT", f"{W}/connections/c-open", {"properties": OPEN_CONNECTION}),
    ("PUT", f"modelmanagement/v1.0/{W}/services/svc", SERVICE),
    ("PUT", f"{W}/computes/quiet?own={{}}&code={{}}", {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}),
]  # fmt: skip


class Canaries:
    """Fills `{}` with canaries, one after the other."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def one(self) -> str:
        """Return a new one."""
        self.made.append(f"CANARY{len(self.made):03d}x")
        return self.made[-1]

    def fill(self, value: Any) -> Any:
        """Return a value with a canary wherever it has room for one."""
        if isinstance(value, str):
            return re.sub(r"\{\}", lambda _: self.one(), value).replace("{{", "{").replace("}}", "}")
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        return {name: self.fill(each) for name, each in value.items()} if isinstance(value, dict) else value


def later_answers(app: App) -> str:
    """Return what somebody else may read of all operations."""
    listed = app.send("GET", "operations")
    answers = [
        listed,
        *(app.send("GET", f"operations/{each['name']}{end}") for each in listed.body["value"] for end in ("", "/result")),
    ]
    return "".join(f"{each.headers}{each.content.decode()}" for each in answers)


def assert_gone(app: App, canaries: Canaries, log: str) -> None:
    """Nothing at rest, nothing in answers, nothing in the log."""
    listed = app.send("GET", "operations").body["value"]
    assert listed
    assert {each["status"] for each in listed} <= {"Succeeded", "Failed"}, listed
    for where, text in (("stored", app.steward.everything_stored()), ("answers", later_answers(app)), ("log", log)):
        found = [f"{each}: …{text[max(0, text.index(each) - 60) : text.index(each)]}" for each in canaries.made if each in text]
        assert not found, (where, found)


@pytest.mark.parametrize("how", ["inline", "queued", "refused", "refused when queued"])
def test_what_is_sent_to_azure_is_gone_once_it_has_ended(app: App, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whether Azure takes it, or refuses and quotes it; secrets by the table are refused where they would have to be stored."""
    caplog.set_level(logging.DEBUG)
    canaries = Canaries()
    for method, path, body in MADE:
        filled = canaries.fill(body)
        if "refused" in how:
            sent = path.partition("?")[0].partition("v1.0/")[2] or path.partition("?")[0]
            whole = f"{json.dumps(filled)} is wrong, as 'https://x.example/?sig=CANARYsaid' is."
            said = refusal(400, "BadArgument", whole)
            app.steward.azure.faults.append(Fault(method="PUT", match=sent, response=said))
        headers = {"prefer": "respond-async"} if "queued" in how else {}
        answer = app.send(method, canaries.fill(path), json.dumps(filled), **headers)
        private = any(name in path for name in ("datastores", "connections", "services", "computes/x-"))
        assert answer.status < 300 or "refused" in how or ("queued" in how and private), (path, answer.content)
        assert how != "refused" or (answer.status, b"BadArgument" in answer.content) == (400, True), (path, answer.content)
    assert len(canaries.made) >= 62
    app.steward.drive()
    canaries.made.append("CANARYsaid")
    assert_gone(app, canaries, caplog.text)


def zipped(text: str) -> bytes:
    """Return a zip with one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(".env", text)
    return out.getvalue()


@pytest.mark.parametrize("refused", [False, True])
def test_files_of_a_request_are_gone_once_it_has_ended(app: App, caplog: pytest.LogCaptureFixture, *, refused: bool) -> None:
    """A v1 run's definition and project, code of a job, and a body that is too large for a row."""
    canaries = Canaries()
    definition = {
        "Configuration": {"Script": "s.py", "Target": "local", "Environment": {"environmentVariables": {"A": canaries.one()}}}
    }
    run = [
        ("projectZipFile", ("p.zip", zipped(canaries.one()), "application/zip")),
        ("runDefinitionFile", ("r.json", json.dumps(definition).encode(), "application/json")),
    ]
    large = {"properties": {**canaries.fill(JOB), "tags": {"t": "x" * 20_000}}}
    code = [
        ("spec", json.dumps({"properties": canaries.fill(JOB)})),
        ("code", ("c.zip", zipped(canaries.one()), "application/zip")),
    ]
    if refused:
        for match, quoted in (("startrun", definition), ("/jobs/large", large), ("/jobs/", "It")):
            said = refusal(400, "BadArgument", f"{json.dumps(quoted)} is wrong.")
            app.steward.azure.faults += [Fault(method=each, match=match, response=said, times=5) for each in ("PUT", "POST")]
    for path, parts in ((f"{W}/experiments/e1/startrun", run), (f"{W}/jobs", code)):
        content, media = encode_multipart_formdata(parts)
        app.send("POST", path, content, content_type=media)
    app.send("PUT", f"{W}/jobs/large", json.dumps(large))
    app.steward.drive()
    assert_gone(app, canaries, caplog.text)


def test_what_azure_has_is_not_kept_while_it_works_on_it(app: App) -> None:
    """A job runs for hours."""
    canaries = Canaries()
    answer = app.send("PUT", f"{W}/jobs/j1", json.dumps({"properties": canaries.fill(JOB)}))
    assert answer.status == 202
    text = "".join(map(repr, app.steward.rows.rows.values())) + repr(app.steward.blobs.blobs) + later_answers(app)
    assert not [each for each in canaries.made if each in text]
