"""What each process of a distributed job is told, by the kind of its distribution."""

import json

from infra.local.emulator.runner.scripts import ranks


def test_pytorch_gets_ranks_over_all_nodes_and_one_meeting_place() -> None:
    """Two nodes of two processes."""
    found = ranks.variables({"kind": "PyTorch", "nodes": 2, "per_node": 2, "servers": 0})
    shown = [(one["RANK"], one["LOCAL_RANK"], one["NODE_RANK"], one["WORLD_SIZE"]) for one in found]
    assert shown == [("0", "0", "0", "4"), ("1", "1", "0", "4"), ("2", "0", "1", "4"), ("3", "1", "1", "4")]
    assert len({(one["MASTER_ADDR"], one["MASTER_PORT"]) for one in found}) == 1


def test_mpi_gets_open_mpis_variables() -> None:
    """As Azure documents them."""
    found = ranks.variables({"kind": "Mpi", "nodes": 1, "per_node": 2, "servers": 0})
    assert [(one["OMPI_COMM_WORLD_RANK"], one["OMPI_COMM_WORLD_SIZE"]) for one in found] == [("0", "2"), ("1", "2")]


def test_tensorflow_gets_its_cluster_and_each_its_task() -> None:
    """Two workers and a parameter server, each with an address of its own."""
    found = [
        json.loads(one["TF_CONFIG"]) for one in ranks.variables({"kind": "TensorFlow", "nodes": 2, "per_node": 1, "servers": 1})
    ]
    tasks = [{"type": "worker", "index": 0}, {"type": "worker", "index": 1}, {"type": "ps", "index": 0}]
    assert [one["task"] for one in found] == tasks
    assert len({*found[0]["cluster"]["worker"], *found[0]["cluster"]["ps"]}) == 3
