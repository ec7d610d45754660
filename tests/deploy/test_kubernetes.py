"""The manifests: against the schemas of Kubernetes, and what is in a pod against the program."""

import re
from itertools import chain
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from stream.chunks.shift import SETTLE
from stream.health import PATHS
from stream.kafka.options import KafkaSettings
from stream.server.options import ServerSettings
from stream.settings import Settings
from tests.deploy.manifests import (
    KUBERNETES,
    command,
    container,
    environment,
    gathered,
    in_every,
    labels,
    of_kind,
    option,
    pod,
    secrets,
    selects,
    workloads,
)
from tests.deploy.program import parse, settings_from

OLDER, NEWER = "1.29", "1.37"  # of Kubernetes
CUSTOM = {"ScaledObject", "TriggerAuthentication", "PodMonitor"}  # kinds that Kubernetes itself does not know
USER = 10001  # of the images


@in_every
@pytest.mark.parametrize("version", [OLDER, NEWER])
def test_kubernetes_takes_them(name: str, version: str) -> None:
    for each in gathered(name):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_check_refuses_what_is_wrong() -> None:
    broken = yaml.safe_load("{apiVersion: v1, kind: Service, metadata: {name: page}, spec: {prots: []}}")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWER, strict=True)


@in_every
def test_commands_and_settings_are_those_of_the_program(name: str) -> None:
    for each in workloads(name):
        given = environment(each, gathered(name))
        arguments = command(each, given)
        assert not [word for word in arguments if "$(" in word]
        asked = parse(arguments)
        settings = settings_from(given)
        assert settings.cache == Settings.model_fields["cache"].default, "the image says where its models are"
        if arguments[0] == "ingest":
            assert (asked["stream"], asked["source"]) == (given["STREAM"], given["ADDRESS"])
        used = re.findall(r"\$\((\w+)\)", " ".join(container(each)["args"]))
        plain = {variable for variable in given if not variable.startswith("EBMC_")}
        assert plain - set(used) <= {"EVENTS", "GROUP", "FORWARDED_ALLOW_IPS", "XDG_CACHE_HOME"}


@in_every
def test_no_secret_is_written_down(name: str) -> None:
    assert not of_kind(gathered(name), "Secret")
    fields = chain(*(kind.model_fields.items() for kind in (KafkaSettings, ServerSettings)))
    kept = {field.upper() for field, told in fields if "SecretStr" in str(told.annotation)}
    assert kept >= {"PASSWORD", "TOKEN", "KEY_PASSWORD"}
    for each in workloads(name):
        given = environment(each, gathered(name))
        assert not [variable for variable in given if re.sub("^EBMC_(KAFKA|SERVER)_", "", variable) in kept]
        addresses = [one for one in container(each).get("env", []) if one["name"] == "ADDRESS"]
        assert all("valueFrom" in one for one in addresses), "the address of a camera may hold its password"


@in_every
def test_every_secret_is_made_by_a_command_of_the_page(name: str) -> None:
    page = (KUBERNETES.parents[1] / "docs" / "kubernetes.md").read_text("utf-8").replace("\\\n", " ")
    made = {
        (secret, key)
        for secret, options in re.findall(r"create secret generic (\w+) (.*)", page)
        for key in re.findall(r"--from-(?:literal|file)=([\w.]+)", options)
    }
    wanted = {place for each in workloads(name) for place in secrets(each)}
    assert wanted - {("cameras", "camera")} <= made


@in_every
def test_files_of_secrets_are_where_the_settings_look(name: str) -> None:
    for each in workloads(name):
        mounts = {one["name"]: Path(one["mountPath"]) for one in container(each)["volumeMounts"]}
        there = {
            str(mounts[volume["name"]] / item["path"])
            for volume in pod(each)["volumes"]
            for item in volume.get("secret", {}).get("items", [])
        }
        given = environment(each, gathered(name))
        assert {value for variable, value in given.items() if re.fullmatch("EBMC_.*_FILE", variable)} == there


@in_every
def test_a_pod_may_do_nothing_that_it_need_not(name: str) -> None:
    for each in workloads(name):
        inside, this = pod(each), container(each)
        whose = inside["securityContext"]
        assert whose["runAsNonRoot"] is True
        assert whose["runAsUser"] == whose["runAsGroup"] == whose["fsGroup"] == USER
        assert whose["seccompProfile"] == {"type": "RuntimeDefault"}
        assert inside["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & inside.keys()
        assert this["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert this["image"].split(":")[0] == "ebmc-stream"


@in_every
def test_a_pod_can_write_where_it_has_to(name: str) -> None:
    for each in workloads(name):
        this = container(each)
        assert {volume["name"] for volume in pod(each)["volumes"]} == {one["name"] for one in this["volumeMounts"]}
        writable = [one["mountPath"] for one in this["volumeMounts"] if not one.get("readOnly")]
        assert "/tmp" in writable
        given = environment(each, gathered(name))
        assert all(given[place] in writable for place in {"EBMC_KAFKA_SPILL", "XDG_CACHE_HOME"} & given.keys())
        assert this["args"][0] != "ingest" or "EBMC_KAFKA_SPILL" in given
        assert {"cpu", "memory"} <= this["resources"]["requests"].keys()
        assert "memory" in this["resources"]["limits"]
        assert "cpu" not in this["resources"]["limits"]


@in_every
def test_probes_ask_what_the_program_answers(name: str) -> None:
    for each in workloads(name):
        this = container(each)
        listening = option(each, "metrics") or option(each, "port")
        probes = [probe for field, probe in this.items() if field.endswith("Probe")]
        assert listening
        (port,) = this["ports"]
        assert port["containerPort"] == int(listening.rpartition(":")[2])
        assert (option(each, "metrics") or option(each, "host") or "").startswith("0.0.0.0")
        assert {"startupProbe", "livenessProbe"} <= this.keys()
        assert all(probe["httpGet"]["port"] == port["name"] for probe in probes)
        assert this["livenessProbe"]["httpGet"]["path"] == "/health/live"
        assert {probe["httpGet"]["path"] for probe in probes} <= set(PATHS)
        waits = this["startupProbe"]["httpGet"]["path"] == "/health/ready"
        assert waits == (this["args"][0] != "ingest"), "a camera that is away must not end its ingest"
        if notes := each["spec"]["template"]["metadata"].get("annotations"):
            assert notes["prometheus.io/port"] == str(port["containerPort"])
            assert notes["prometheus.io/path"] in PATHS


@in_every
def test_there_is_time_to_end_well(name: str) -> None:
    for each in workloads(name):
        settings = settings_from(environment(each, gathered(name)))
        kafka = settings.kafka
        need = {
            "worker": max(SETTLE, 5 * kafka.request_timeout),  # stream/kafka/link.py: 3 to reach them, 2 to begin
            "ingest": settings.read_timeout + kafka.close_timeout + kafka.request_timeout,
            "demo": settings.drain,
        }[container(each)["args"][0]]
        assert pod(each)["terminationGracePeriodSeconds"] >= need + 10


@in_every
def test_selectors_find_their_own_pods(name: str) -> None:
    for each in workloads(name):
        assert selects(each["spec"]["selector"], labels(each))
        for spread in pod(each).get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"], labels(each))
