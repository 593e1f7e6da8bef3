"""Ray on three simulated nodes of this machine, which can be lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MEMORY = 80 * 2**20  # the least that Ray takes for the objects of a node


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # The nodes run this checkout, installed or not.
    here = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    from ray.cluster_utils import Cluster

    # The head has the driver and its ledger, and none of the three processors.
    node = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    # A node that is killed is noticed after a second.
    checks = {"health_check_period_ms": 250, "health_check_failure_threshold": 4}
    running = Cluster(initialize_head=True, head_node_args=node | {"_system_config": checks})
    try:
        # One says that it has a GPU. The other may be lost.
        running.gpu = running.add_node(
            wait=False, num_cpus=2, num_gpus=1, object_store_memory=MEMORY
        ).node_id
        running.other = running.add_node(wait=False, num_cpus=1, object_store_memory=MEMORY)
        running.wait_for_nodes()
        yield running
    finally:
        running.shutdown()


def actors_of(cluster: Any) -> list[int]:
    """The processes of the actors on the nodes of a cluster, and of no other."""
    nodes = {p.process.pid for n in cluster.list_all_nodes() for p in n.all_processes["raylet"]}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in nodes and (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(folder.name))
        except OSError:
            continue
    return sorted(found)
