"""The manifests below `deploy/kubernetes`: as files, and as kustomize builds them; what is in a pod."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.program import DEPLOY

KUBERNETES = DEPLOY / "kubernetes"
APPLIED = ("base", "cameras/door", "page", "overlays/gpu", "overlays/page-ingress", "overlays/plain")
"""Folders that a user applies."""
PARTS = ("base", "camera", "page")
"""Folders whose files make sense without kustomize."""
STAND_INS = {"kafka": {"username": "ebmc"}, "cameras": {"camera": "rtsp://camera/stream", "door": "rtsp://door/stream"}}
"""What a test takes for secrets, by secret and key, where one becomes a variable."""
EVERY = [*(f"files of {name}" for name in PARTS), *APPLIED]
Manifest = dict[str, Any]

in_every = pytest.mark.parametrize("name", EVERY)
"""Runs a test on the files of each part, and on each folder as built."""


@cache
def gathered(name: str) -> tuple[Manifest, ...]:
    """What one of `EVERY` holds; with the settings of the base, which a camera finds in the cluster."""
    part = name.removeprefix("files of ")
    found = as_written(KUBERNETES / part) if part != name else list(built(KUBERNETES / name))
    if not of_kind(found, "ConfigMap"):
        found += of_kind(as_written(KUBERNETES / "base"), "ConfigMap")
    return tuple(found)


def workloads(name: str) -> list[Manifest]:
    """The Deployments of one of `EVERY`; at least one."""
    found = of_kind(gathered(name), "Deployment")
    assert found
    return found


def documents(path: Path) -> list[Manifest]:
    """What is in a file."""
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]


def kustomization(folder: Path) -> Manifest:
    """The kustomization of a folder."""
    return documents(folder / "kustomization.yaml")[0]


def as_written(folder: Path) -> list[Manifest]:
    """The resources of a kustomization and of those it builds on, without patches, and its settings as a map."""
    told, found = kustomization(folder), list[Manifest]()
    for name in told.get("resources", []):
        path = folder / name
        found += as_written(path.resolve()) if path.is_dir() else documents(path)
    for made in told.get("configMapGenerator", []):
        lines = (folder / made["envs"][0]).read_text().splitlines()
        data = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        found = [each for each in found if (each["kind"], each["metadata"]["name"]) != ("ConfigMap", made["name"])]
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    return found


@cache
def built(folder: Path) -> tuple[Manifest, ...]:
    """What kustomize makes of a folder. Skips the test where there is no kustomize."""
    program = ["kubectl", "kustomize"] if shutil.which("kubectl") else ["kustomize", "build"]
    if not shutil.which(program[0]):
        pytest.skip("neither kubectl nor kustomize is installed, and it takes one to build an overlay")
    done = subprocess.run([*program, str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def named(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one of a kind and name."""
    (found,) = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def pod(workload: Manifest) -> Manifest:
    """The pod of a Deployment, without its labels."""
    return workload["spec"]["template"]["spec"]


def container(workload: Manifest) -> Manifest:
    """The only container of a Deployment."""
    (found,) = pod(workload)["containers"]
    return found


def labels(workload: Manifest) -> Mapping[str, str]:
    """The labels of its pods."""
    return workload["spec"]["template"]["metadata"]["labels"]


def selects(selector: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    """Whether a label selector takes something with these labels. Knows `In`, the only operator that is used here."""
    wanted = selector.get("matchLabels", {}).items()
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return all(found.get(key) == value for key, value in wanted) and all(
        found.get(each["key"]) in each["values"] for each in expressions
    )


def environment(workload: Manifest, manifests: Sequence[Manifest]) -> dict[str, str]:
    """The variables of its container, as Kubernetes would set them; of secrets, stand-ins."""
    this, found = container(workload), dict[str, str]()
    for source in this.get("envFrom", []):
        found |= named(manifests, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in this.get("env", []):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
        else:
            place = variable["valueFrom"]["secretKeyRef"]
            found[variable["name"]] = STAND_INS[place["name"]][place["key"]]
    return found


def command(workload: Manifest, given: Mapping[str, str]) -> list[str]:
    """Its arguments with `$(NAME)` replaced, as Kubernetes does it; a name that is not set stays as it is."""
    return [
        re.sub(r"\$\((\w+)\)", lambda found: given.get(found[1], found[0]), each)
        for each in container(workload)["args"]
    ]


def option(workload: Manifest, name: str) -> str | None:
    """The value of `--name=value` among the arguments; None when it is not there."""
    return next((each.split("=", 1)[1] for each in container(workload)["args"] if each.startswith(f"--{name}=")), None)


def secrets(workload: Manifest) -> Iterator[tuple[str, str]]:
    """Each secret and key that a pod reads."""
    for variable in container(workload).get("env", []):
        if place := variable.get("valueFrom", {}).get("secretKeyRef"):
            yield place["name"], place["key"]
    for volume in pod(workload)["volumes"]:
        for item in volume.get("secret", {}).get("items", []):
            yield volume["secret"]["secretName"], item["key"]
