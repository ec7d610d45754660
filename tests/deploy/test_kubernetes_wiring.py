"""The manifests against one another: what scales what, who may speak to whom, and what kustomize puts together."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ebmc_core.checkpoint import checkpoint_folder
from stream.chunks.lane import REACH
from stream.settings import Settings
from tests.deploy.manifests import (
    APPLIED,
    KUBERNETES,
    Manifest,
    as_written,
    built,
    command,
    container,
    documents,
    environment,
    gathered,
    in_every,
    kustomization,
    labels,
    named,
    of_kind,
    pod,
    secrets,
    selects,
    workloads,
)
from tests.deploy.program import parse, settings_from

METADATA = {  # of KEDA's kafka trigger, as its documentation has it
    "bootstrapServers", "consumerGroup", "topic", "lagThreshold", "activationLagThreshold", "offsetResetPolicy",
    "allowIdleConsumers", "scaleToZeroOnInvalidOffset", "excludePersistentLag", "limitToPartitionsWithLag", "version",
    "partitionLimitation", "sasl", "tls", "unsafeSsl",
}  # fmt: skip
SPEC = {
    "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "fallback", "advanced",
    "triggers",
}  # fmt: skip
STREAMS, SPARE = 4, 4  # that a worker of two cores takes; chunks of each that it may be behind


@in_every
def test_workers_are_scaled_on_what_they_read(name: str) -> None:
    for scaled in of_kind(gathered(name), "ScaledObject"):
        spec = scaled["spec"]
        target = named(gathered(name), "Deployment", spec["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"], "applying it again would undo what the scaler set"
        given = environment(target, gathered(name))
        asked, kafka = parse(command(target, given)), settings_from(given).kafka
        (trigger,) = spec["triggers"]
        told = trigger["metadata"]
        assert spec.keys() <= SPEC
        assert (trigger["type"], told.keys() - METADATA) == ("kafka", set())
        assert all(isinstance(value, str) for value in told.values())
        read = told["bootstrapServers"], told["topic"], told["consumerGroup"]
        assert read == (asked["brokers"], asked["chunks"], asked["group"])
        assert (told["allowIdleConsumers"], told["offsetResetPolicy"]) == ("false", "earliest")
        assert tuple(map(int, told["version"].split("."))) >= (2, 1), "what Kafka 4 still answers"
        assert 1 <= spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
        assert spec["maxReplicaCount"] == kafka.partitions
        assert told.get("tls", "disable") == ("enable" if kafka.tls else "disable")
        assert told.get("sasl", "none") == kafka.sasl.replace("sha-", "sha").replace("-", "_")
        login = of_kind(gathered(name), "TriggerAuthentication")
        assert [one["metadata"]["name"] for one in login] == [
            reference["name"] for reference in [trigger.get("authenticationRef")] if reference
        ]
        for one in login:
            parameters = one["spec"]["secretTargetRef"]
            assert {each["parameter"] for each in parameters} == {"username", "password", "ca"}
            assert {(each["name"], each["key"]) for each in parameters} == set(secrets(target))


@in_every
def test_the_threshold_is_above_the_lag_that_is_always_there(name: str) -> None:
    """A worker keeps the chunks of the window that it writes next, of those before it that the model reads, and 4 s."""
    model, settings = json.loads((checkpoint_folder("live-en") / "config.json").read_text())["model"], Settings()
    assert parse(["ingest", "clip", "--brokers", "kafka:9092", "--topic", "media"])["length"] == 1.0
    always = math.ceil((model["context"] - 1) * settings.hop + REACH + settings.window)
    for scaled in of_kind(gathered(name), "ScaledObject"):
        assert scaled["spec"]["triggers"][0]["metadata"]["lagThreshold"] == str(STREAMS * (always + SPARE))


@in_every
def test_one_ingest_a_stream_and_room_for_its_spill(name: str) -> None:
    for each in workloads(name):
        if container(each)["args"][0] != "ingest":
            continue
        assert (each["spec"]["replicas"], each["spec"]["strategy"]) == (1, {"type": "Recreate"})
        (claim,) = [one["persistentVolumeClaim"] for one in pod(each)["volumes"] if "persistentVolumeClaim" in one]
        volume = named(gathered(name), "PersistentVolumeClaim", claim["claimName"])
        size = float(volume["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024
        assert settings_from(environment(each, gathered(name))).kafka.spill_mib <= 0.8 * size


@in_every
def test_what_points_at_pods_finds_them(name: str) -> None:
    found = gathered(name)
    for service in of_kind(found, "Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        (behind,) = [each for each in workloads(name) if selects(selector, labels(each))]
        ports = {port["name"] for port in container(behind)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
        assert service["spec"]["type"] == "ClusterIP", "nothing is exposed unasked"
    for budget in of_kind(found, "PodDisruptionBudget"):
        assert [each for each in workloads(name) if selects(budget["spec"]["selector"], labels(each))]
    for way in of_kind(found, "Ingress"):
        (rule,) = way["spec"]["rules"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        ports = named(found, "Service", backend["name"])["spec"]["ports"]
        assert backend["port"]["name"] in {port["name"] for port in ports}
        assert rule["host"] in way["spec"]["tls"][0]["hosts"]


def everything() -> list[Manifest]:
    return [each for part in ("base", "camera", "page") for each in as_written(KUBERNETES / part)]


def test_policies_hold_every_pod_and_name_its_ports() -> None:
    policies, pods = of_kind(everything(), "NetworkPolicy"), of_kind(everything(), "Deployment")
    for policy in policies:
        held = [each for each in pods if selects(policy["spec"]["podSelector"], labels(each))]
        assert held, policy["metadata"]["name"]
        for way in policy["spec"].get("ingress", []):
            for port in way["ports"]:
                assert all(port["port"] in {one["name"] for one in container(each)["ports"]} for each in held)
    shut = [policy["spec"] for policy in policies if not policy["spec"].keys() & {"ingress", "egress"}]
    for each in pods:
        mine = [spec for spec in shut if selects(spec["podSelector"], labels(each))]
        assert any(set(spec["policyTypes"]) == {"Ingress", "Egress"} for spec in mine), "shut unless something opens it"


@pytest.mark.parametrize("name", ["base", "overlays/plain"])
def test_kafka_can_be_reached_where_the_settings_say(name: str) -> None:
    brokers, _, port = named(gathered(name), "ConfigMap", "settings")["data"]["BROKERS"].rpartition(":")
    way, names = named(gathered(name), "NetworkPolicy", "kafka")["spec"]["egress"]
    assert [one["port"] for one in way["ports"]] == [int(port)]
    (there,) = way["to"]
    assert there["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": brokers.split(".")[1]}
    assert {(one["port"], one["protocol"]) for one in names["ports"]} == {(53, "UDP"), (53, "TCP")}


def test_a_monitor_looks_at_the_workers() -> None:
    (monitor,) = documents(KUBERNETES / "components" / "monitoring" / "workers.yaml")
    workers = named(everything(), "Deployment", "workers")
    assert selects(monitor["spec"]["selector"], labels(workers))
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in container(workers)["ports"]}
    assert endpoint["path"] == "/metrics"


def test_the_overlay_of_the_page_builds(tmp_path: Path) -> None:
    page = (KUBERNETES.parents[1] / "docs" / "kubernetes.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "deploy").symlink_to(KUBERNETES.parent)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(example)
    found = built(tmp_path / "mine")
    assert {each["metadata"]["namespace"] for each in of_kind(found, "PodMonitor", "Deployment")} == {"ebmc"}
    assert len(of_kind(found, "PodMonitor")) == 1


def test_every_gpu_is_one() -> None:
    (workers,) = of_kind(built(KUBERNETES / "overlays" / "gpu"), "Deployment")
    assert container(workers)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container(workers)["image"] == "ebmc-stream:gpu"
    assert workers["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    plain = named(built(KUBERNETES / "base"), "Deployment", "workers")
    assert container(plain)["args"] == container(workers)["args"]


def test_without_passwords_no_secret_is_read() -> None:
    for each in of_kind(built(KUBERNETES / "overlays" / "plain"), "Deployment"):
        assert {secret for secret, _ in secrets(each)} <= {"cameras"}


def test_the_page_says_who_asked_only_behind_a_proxy() -> None:
    def opened(folder: str) -> tuple[bool, bool]:
        found = built(KUBERNETES / folder)
        (page,) = of_kind(found, "Deployment")
        trusts = "FORWARDED_ALLOW_IPS" in environment(page, found)
        return trusts, "ingress" in named(found, "NetworkPolicy", "page")["spec"]

    assert (opened("page"), opened("overlays/page-ingress")) == ((False, False), (True, True))


def reached(folder: Path) -> list[Manifest]:
    """What a patch of this folder may be for: the resources that it builds on, by the names they have there."""
    found = list[Manifest]()
    for name in kustomization(folder).get("resources", []):
        path = (folder / name).resolve()
        suffix = kustomization(path).get("nameSuffix", "") if path.is_dir() else ""
        for each in reached(path) if path.is_dir() else documents(path):
            found.append({**each, "metadata": {**each["metadata"], "name": each["metadata"]["name"] + suffix}})
    return found


@pytest.mark.parametrize("path", sorted(KUBERNETES.rglob("kustomization.yaml")), ids=lambda path: path.parent.name)
def test_files_are_there_and_patches_meet_something(path: Path) -> None:
    told: Any = kustomization(path.parent)
    envs = [name for made in told.get("configMapGenerator", []) for name in made["envs"]]
    assert all((path.parent / name).exists() for name in [*told.get("resources", []), *envs])
    below = reached(path.parent)
    for patch in told.get("patches", []):
        if target := patch.get("target"):
            key, _, value = target["labelSelector"].partition("=")
            kin = of_kind(below, target["kind"])
            found = [each for each in kin if each["metadata"].get("labels", {}).get(key) == value]
        else:
            wanted = documents(path.parent / patch["path"])[0] if "path" in patch else yaml.safe_load(patch["patch"])
            found = [named(below, wanted["kind"], wanted["metadata"]["name"])]
        assert found


def test_nothing_lies_about_unused() -> None:
    used = set[Path]()
    for path in KUBERNETES.rglob("kustomization.yaml"):
        told = kustomization(path.parent)
        patches = [patch["path"] for patch in told.get("patches", []) if "path" in patch]
        envs = [name for made in told.get("configMapGenerator", []) for name in made["envs"]]
        used |= {(path.parent / name).resolve() for name in [*told.get("resources", []), *patches, *envs]}
    there = {path for path in KUBERNETES.rglob("*") if path.is_file() and path.name != "kustomization.yaml"}
    assert there <= used
    assert {KUBERNETES / name for name in APPLIED} <= {path.parent for path in KUBERNETES.rglob("kustomization.yaml")}
