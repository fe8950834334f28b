"""Jobs as ARM shows them: created once, immutable, cancelled behind a Location, and what they refer to must exist."""

from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import ARM, Client, until


@pytest.fixture
def workspace(azure: Client) -> str:
    """A workspace with an environment."""
    arm_id = azure.workspace()
    azure.arm("PUT", f"{arm_id}/environments/env/versions/1", {"properties": {"image": "python:3"}})
    return arm_id


def job(command: str = "echo done", **change: Any) -> dict[str, Any]:
    """A command job."""
    return {"properties": {"jobType": "Command", "command": command, "environmentId": "azureml:env:1", **change}}


def test_a_job_is_no_long_running_operation(azure: Client, workspace: str) -> None:
    """201 with Location = the job, no Azure-AsyncOperation, `status` and no provisioningState."""
    answer = azure.arm("PUT", f"{workspace}/jobs/one", job())
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].startswith(f"{ARM}{workspace}/jobs/one?")
    assert "azure-asyncoperation" not in answer.headers
    properties = answer.json()["properties"]
    assert "provisioningState" not in properties
    assert (properties["experimentName"], properties["jobType"]) == ("Default", "Command")
    until(lambda: azure.arm("GET", f"{workspace}/jobs/one").json()["properties"]["status"] == "Completed")
    assert azure.arm("GET", f"{workspace}/jobs/one").json()["properties"]["properties"]["StartTimeUtc"][10] == " "


def test_the_same_job_again_is_200_and_a_changed_one_immutable(azure: Client, workspace: str) -> None:
    """JobPropertyImmutable names what differs; tags and displayName may change."""
    assert azure.arm("PUT", f"{workspace}/jobs/one", job()).status_code == 201
    assert azure.arm("PUT", f"{workspace}/jobs/one", job()).status_code == 200
    assert azure.arm("PUT", f"{workspace}/jobs/one", job(tags={"a": "b"}, displayName="One")).json()["properties"]["tags"] == {
        "a": "b"
    }
    refused = azure.arm("PUT", f"{workspace}/jobs/one", job("echo other"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "UserError")
    assert "the existing job's Command cannot be changed" in refused.json()["error"]["message"]
    (inner,) = [item for item in refused.json()["error"]["additionalInfo"] if item["type"] == "InnerError"]
    assert inner["info"]["value"]["innerError"]["innerError"]["code"] == "JobPropertyImmutable"


def test_a_cancel_is_followed_behind_its_location(azure: Client, workspace: str) -> None:
    """202 `null`, Location only; polls: 202 `{}` with Location = itself, then 200 of length 0 without a content type."""
    azure.arm("PUT", f"{workspace}/jobs/long", job("sleep 600"))
    until(lambda: azure.arm("GET", f"{workspace}/jobs/long").json()["properties"]["status"] == "Running")
    azure.control("PUT", "transitions", {"job.cancel": "polls:1"})
    answer = azure.arm("POST", f"{workspace}/jobs/long/cancel")
    assert (answer.status_code, answer.content) == (202, b"null")
    assert "azure-asyncoperation" not in answer.headers
    assert "/mfeOperationResults/jc:" in answer.headers["Location"]
    running = azure.arm("GET", answer.headers["Location"])
    assert (running.status_code, running.json(), running.headers["Location"]) == (202, {}, answer.headers["Location"])
    until(lambda: azure.arm("GET", answer.headers["Location"]).status_code == 200)
    done = azure.arm("GET", answer.headers["Location"])
    assert (done.content, done.headers["Content-Length"]) == (b"", "0")
    assert "Content-Type" not in done.headers
    assert azure.arm("GET", f"{workspace}/jobs/long").json()["properties"]["status"] == "Canceled"


def test_cancelling_a_job_that_has_ended_is_an_empty_200(azure: Client, workspace: str) -> None:
    """Recorded for completed command jobs; an unknown job is a 404 in Azure ML's own form."""
    azure.arm("PUT", f"{workspace}/jobs/one", job())
    until(lambda: azure.arm("GET", f"{workspace}/jobs/one").json()["properties"]["status"] == "Completed")
    answer = azure.arm("POST", f"{workspace}/jobs/one/cancel")
    assert (answer.status_code, answer.content) == (200, b"")
    missing = azure.arm("POST", f"{workspace}/jobs/none/cancel")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "UserError")
    assert "JobNotFound" in missing.text
    assert azure.arm("DELETE", f"{workspace}/jobs/one").content == b"null"
    assert azure.arm("GET", f"{workspace}/jobs/one").status_code == 404


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"computeId": "none"}, "ComputeNotFound"),
        ({"environmentId": "azureml:none:1"}, "EnvironmentNotFound"),
        ({"environmentId": ""}, "ValidationError"),
        ({"codeId": "azureml:none:1"}, "CodeNotFound"),
        ({"command": "echo ${{inputs.data}}"}, "InvalidExpression"),
        ({"jobType": "Spark"}, "ValidationError"),
        ({"jobType": "Pipeline"}, "InvalidPipeline"),
        ({"distribution": {"distributionType": "Horovod"}}, "distributionType"),
        ({"distribution": {"distributionType": "Mpi", "processCountPerInstance": 0}}, "processCountPerInstance"),
        (
            {"distribution": {"distributionType": "Mpi", "processCountPerInstance": 32}, "resources": {"instanceCount": 2}},
            "TooMany",
        ),
        ({"jobType": "Dance"}, "ValidationError"),
        ({"inputs": []}, "InvalidRequestContent"),
    ],
)
def test_a_job_that_cannot_run_is_refused_early(azure: Client, workspace: str, change: dict[str, Any], says: str) -> None:
    """400 UserError, the useful code inside."""
    answer = azure.arm("PUT", f"{workspace}/jobs/one", job(**change))
    assert answer.status_code == 400
    assert says in answer.text


def test_jobs_are_listed_newest_first_and_filtered(azure: Client, workspace: str) -> None:
    """listViewType, tag and jobType filter; status does not, as in Azure."""
    azure.arm("PUT", f"{workspace}/jobs/one", job(tags={"team": "a"}))
    azure.arm("PUT", f"{workspace}/jobs/two", job(isArchived=True))

    def names(query: str) -> list[str]:
        return [item["name"] for item in azure.arm("GET", f"{workspace}/jobs{query}").json()["value"]]

    assert names("") == ["one"]
    assert names("?listViewType=All") == ["two", "one"]
    assert names("?listViewType=ArchivedOnly") == ["two"]
    assert names("?tag=team=a") == ["one"]
    assert names("?jobType=Pipeline") == []
    assert names("?status=Nonsense") == ["one"]


def test_a_distributed_job_is_one_process_for_each_rank(azure: Client, workspace: str) -> None:
    """Each meets all others at the address that it is told; the log names the rank of each line."""
    script = """
import os, socket
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    with socket.create_server(place) as server:
        print("met", sum(server.accept()[0].recv(9)[0] for _ in range(size - 1)))
else:
    while True:
        try:
            with socket.create_connection(place) as one:
                one.send(bytes([rank]))
            break
        except ConnectionRefusedError:
            continue
"""
    distribution = {"distributionType": "PyTorch", "processCountPerInstance": 3}
    azure.arm("PUT", f"{workspace}/jobs/three", job(command=f"python -c '{script}'", distribution=distribution))
    until(lambda: azure.arm("GET", f"{workspace}/jobs/three").json()["properties"]["status"] in {"Completed", "Failed"})
    details = f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/three/details"
    (url,) = azure.arm("GET", details).json()["logFiles"].values()
    said = azure.session.get(url, timeout=30).text
    assert azure.arm("GET", f"{workspace}/jobs/three").json()["properties"]["status"] == "Completed", said
    assert "[0] met 3" in said


def test_a_failing_rank_ends_the_others(azure: Client, workspace: str) -> None:
    """The job fails at once, although one would sleep for ten minutes."""
    command = "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then exit 3; else sleep 600; fi"
    distribution = {"distributionType": "Mpi", "processCountPerInstance": 2}
    azure.arm("PUT", f"{workspace}/jobs/two", job(command=command, distribution=distribution))
    until(lambda: azure.arm("GET", f"{workspace}/jobs/two").json()["properties"]["status"] in {"Completed", "Failed"})
    run = azure.arm("GET", f"https://{scene.LOCATION}.api.azureml.ms/history/v1.0{workspace}/runs/two").json()
    assert "status code 3" in run["error"]["error"]["message"]
