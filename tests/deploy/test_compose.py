"""The stack of compose.yaml, held against the program and against what it promises: no container engine is needed."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.chunks.chunk import LARGEST
from stream.chunks.shift import LETTER
from stream.health import PORT
from stream.kafka.topics import ROOM
from tests.deploy.program import DEPLOY, parse, settings_from
from tests.deploy.stack import services, topics

FILE = DEPLOY / "compose.yaml"
STACK: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES = services()
OURS = [name for name, each in SERVICES.items() if each["image"].startswith("ebmc-stream:")]
TOP = {"name", "services", "networks", "volumes", "secrets", "configs"}
KEYS = {
    "image", "build", "command", "environment", "user", "read_only", "tmpfs", "volumes", "secrets", "ports", "networks",
    "depends_on", "deploy", "restart", "security_opt", "cap_drop", "cap_add", "logging", "healthcheck", "hostname",
    "stop_grace_period", "profiles",
}  # fmt: skip


def test_only_what_the_compose_specification_has() -> None:
    assert {key for key in STACK if not key.startswith("x-")} <= TOP  # so no `version`
    for name, each in SERVICES.items():
        assert each.keys() <= KEYS, name
        assert each["restart"] in ("no", "always", "on-failure", "unless-stopped"), name
        for key in ("command", "ports", "volumes", "tmpfs", "cap_drop", "cap_add", "profiles", "secrets"):
            assert isinstance(each.get(key, []), list), f"{name}: {key}"
        for value in (each.get("environment") or {}).values():
            assert isinstance(value, str | int), f"{name}: compose takes no {value!r} in an environment"


def test_docker_compose_reads_it(tmp_path: Path) -> None:
    tool = ["docker", "compose"]
    if not shutil.which("docker") or subprocess.run([*tool, "version"], capture_output=True, check=False).returncode:
        pytest.skip("Docker's compose plugin is missing")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "deploy" / "secrets").mkdir(exist_ok=True)
    done = subprocess.run([*tool, "-f", "compose.yaml", "config", "--quiet"], cwd=tmp_path / "deploy", check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", OURS)
def test_the_program_takes_its_command_and_settings(name: str) -> None:
    given = parse(SERVICES[name]["command"])
    settings = settings_from({key: str(value) for key, value in SERVICES[name]["environment"].items()})
    assert given["metrics"] == f"0.0.0.0:{PORT}"
    assert not settings.kafka.create  # the topics have settings of their own: `topics` makes them


def test_a_wrong_command_would_be_found() -> None:
    with pytest.raises(BaseException, match=r"(?i)no such option"):
        parse([*SERVICES["worker"]["command"], "--metric=1"])


def test_those_who_write_and_those_who_read_mean_the_same_topics(tmp_path: Path) -> None:
    made = {topic.name for topic in topics(tmp_path)}
    ingest, worker = parse(SERVICES["ingest"]["command"]), parse(SERVICES["worker"]["command"])
    assert ingest["topic"] == worker["chunks"]
    assert {worker["chunks"], f"{worker['chunks']}.dlq", worker["events"]} == made
    assert ingest["brokers"] == worker["brokers"] == "kafka:9092"
    assert parse(SERVICES["worker-gpu"]["command"])["group"] == worker["group"]


def test_the_topics_take_the_largest_chunk_and_a_partition_for_each_worker(tmp_path: Path) -> None:
    largest = {"media": LARGEST + ROOM, "media.dlq": LARGEST + LETTER + ROOM}
    for topic in topics(tmp_path, 5):
        assert topic.num_partitions == 5
        assert int(topic.topic_configs["retention.ms"]) >= 3_600_000
        if topic.name in largest:
            assert int(topic.topic_configs["max.message.bytes"]) == largest[topic.name]
    partitions = re.search(r"\$\{PARTITIONS:-(\d+)\}", FILE.read_text())
    assert partitions
    assert int(partitions[1]) >= SERVICES["worker"]["deploy"]["replicas"]


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for each in SERVICES.values() for port in each.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_who_is_reached_by_others_has_a_token_from_a_file() -> None:
    page = SERVICES["page"]
    assert parse(page["command"])["host"] == "0.0.0.0"
    secret = Path(page["environment"]["EBMC_SERVER_TOKEN_FILE"])
    assert secret.parent == Path("/run/secrets")
    assert secret.name in page["secrets"]


def test_no_secret_is_in_the_file() -> None:
    for name, each in SERVICES.items():
        for key, value in (each.get("environment") or {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|KEY", key):
                assert str(value).startswith("/run/secrets/"), f"{name}: {key}"
    for secret in STACK["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    assert "secrets/" in (DEPLOY / ".gitignore").read_text().split()


def test_images_have_tags() -> None:
    for name, each in SERVICES.items():
        _, colon, tag = each["image"].rpartition("/")[2].partition(":")
        assert colon and tag not in ("", "latest"), name


def test_what_is_mounted_is_there() -> None:
    for name, each in SERVICES.items():
        for mount in each.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name}: {source}"
                assert mount.endswith(":ro"), f"{name}: {source}"
            else:
                assert source in STACK["volumes"], f"{name}: {source}"


def test_what_is_built_is_there() -> None:
    for name, each in SERVICES.items():
        if "build" in each:
            assert (DEPLOY / each["build"]["context"] / each["build"]["dockerfile"]).is_file(), name


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_bounded_and_has_no_rights_that_it_does_not_need(name: str) -> None:
    each = SERVICES[name]
    limits = each["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} <= limits.keys()
    assert isinstance(limits["cpus"], str)  # the specification wants text here
    assert each["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in each["security_opt"]
    assert each["logging"]["options"].keys() == {"max-size", "max-file"}
    if name not in ("kafka", "dcgm-exporter"):  # the file says why
        assert each["read_only"] is True
    if name not in ("kafka", "topics", "dcgm-exporter"):  # their images bring a user
        assert re.fullmatch(r"[1-9]\d*:\d+", each["user"])


def test_who_has_no_health_check_of_an_image_of_ours_has_one_here() -> None:
    without = {name for name, each in SERVICES.items() if name not in OURS and "healthcheck" not in each}
    assert without == {"topics", "dcgm-exporter"}  # one ends, the other has no shell
    for name, each in SERVICES.items():
        for other, how in (each.get("depends_on") or {}).items():
            ends = SERVICES[other]["restart"] == "on-failure"
            assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy"), name


def test_the_second_camera_of_the_page_is_one_that_the_program_takes() -> None:
    page = (DEPLOY.parent / "docs" / "compose.md").read_text()
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    given = parse(example["services"]["cam-2"]["command"])
    usual = parse(SERVICES["ingest"]["command"])
    assert (given["brokers"], given["topic"], given["metrics"]) == (usual["brokers"], usual["topic"], usual["metrics"])
    assert given["stream"] != usual["stream"]
    assert SERVICES["ingest"]["networks"]["default"]["aliases"] == ["ingest"]  # by which Prometheus finds it


def test_kafka_advertises_what_others_call_it_by() -> None:
    told = SERVICES["kafka"]["environment"]
    listeners = dict(each.split("://") for each in told["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert listeners["INSIDE"] == parse(SERVICES["worker"]["command"])["brokers"]
    assert listeners["OUTSIDE"].split(":")[1] in SERVICES["kafka"]["ports"][0]
    names = {each.split("://")[0] for each in told["KAFKA_LISTENERS"].split(",")}
    assert names == {each.split(":")[0] for each in told["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}


def test_the_example_of_the_environment_names_every_variable_and_no_setting() -> None:
    used = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    example = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    assert used == example
    assert not [name for name in used if name.startswith("EBMC_")]


def test_up_makes_secrets_that_only_its_owner_can_reach_and_starts_the_stack(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\ncase "$*" in *port*) echo 127.0.0.1:4711 ;; esac\n')
    docker.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["sh", str(tmp_path / "deploy" / "up.sh"), "--profile", "gpu"]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    folder = tmp_path / "deploy" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    tokens = {path.name: path.read_text() for path in folder.iterdir()}
    assert tokens.keys() == {secret for secret in STACK["secrets"]}
    assert all(re.fullmatch(r"[0-9a-f]{48}", token) for token in tokens.values())
    assert f"http://localhost:4711/?token={tokens['page-token']}" in first.stdout
    assert f"-f {tmp_path}/deploy/compose.yaml --profile gpu up --build --detach" in (tmp_path / "said").read_text()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    assert tokens == {path.name: path.read_text() for path in folder.iterdir()}  # they are kept


def test_up_says_what_is_missing(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", str(DEPLOY / "up.sh")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Docker with its compose plugin" in done.stderr
    assert not (DEPLOY / "secrets").exists()
