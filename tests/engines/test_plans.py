"""The cache of plans, and the TensorRT engine over it: a real compiler, a fake of only what needs a driver."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ebmc_core.batch import Float
from ebmc_core.checkpoint import read_checkpoint
from engines.build import Batches, PlanOptions
from engines.cache import PlanCache, PlanKey
from engines.engine import ENGINES
from engines.errors import EngineAbsent, EngineError
from engines.export import graph_path
from engines.gpu import Gpu, probe_gpu
from engines.onnxruntime_engine import open_session
from engines.selection import make_engine
from engines.tensorrt_engine import TensorRtRtxEngine, build_ahead, graph_for, import_compiler, plan_key
from engines.tensorrt_runner import PlanRunner
from engines.verify import TOLERANCES, compare, golden_batch

GPU = Gpu("NVIDIA GeForce RTX 3060", "sm86", "13.0")
OPTIONS = PlanOptions(profiles=((1, 64, 64),))
KEY = PlanKey("0" * 64, "tensorrt_rtx", "1.7.1", GPU.name, "sm86", "13.0", "13.0", "float32", ((1, 1, 1),), {})


class FakeDriver:
    """Stands for the part that needs a GPU: it takes a plan that the real compiler wrote and answers as its graph.

    plans: those it was given. broken: it answers other numbers, as a plan of other weights would.
    """

    def __init__(self, folder: Path, precision: str = "float32") -> None:
        files = read_checkpoint(folder)
        self._session = open_session(graph_path(files, precision), files)
        self.plans: list[bytes] = []
        self.broken = 0

    def __call__(self, trt: ModuleType, plan: bytes, profiles: tuple[Batches, ...]) -> "FakeDriver":
        self.plans.append(plan)
        if not plan.startswith(b"vtrt"):
            raise EngineError("the plan does not deserialise")
        return self

    def run(self, feeds: Mapping[str, Float]) -> dict[str, Float]:
        names = [output.name for output in self._session.get_outputs()]
        outputs = dict(zip(names, self._session.run(names, dict(feeds)), strict=True))
        if self.broken:
            outputs["score"] = outputs["score"] + 0.1
            self.broken -= 1
        return outputs


@pytest.fixture(scope="module")
def ahead(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real plan for two GPUs, built here without any."""
    pytest.importorskip("tensorrt_rtx", reason="pip install --group dev brings the compiler")
    options = replace(OPTIONS, targets=("sm120", "sm86"))
    return build_ahead(exported, "float32", options, tmp_path_factory.mktemp("plans"))


@pytest.fixture
def plans(ahead: Path, tmp_path: Path) -> Path:
    """A cache of a test's own with that plan in it."""
    for path in (ahead, ahead.with_suffix(".json")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


class Ahead(TensorRtRtxEngine):
    """The engine, building for its GPU by name, as there is no current one to ask."""

    built = 0

    def _build(self, graph: bytes, key: PlanKey) -> bytes:
        type(self).built += 1
        self._options = replace(self._options, targets=(key.capability,))
        return super()._build(graph, key)


def engine(exported: Path, plans: Path, driver: FakeDriver, gpu: Gpu = GPU, precision: str = "float32") -> Ahead:
    Ahead.built = 0
    return Ahead(exported, precision, plans, OPTIONS, probe=lambda get: gpu, load=driver)


def test_a_plan_built_ahead_is_used_as_it_is(exported: Path, plans: Path) -> None:
    driver = FakeDriver(exported)
    with engine(exported, plans, driver) as opened, make_engine("torch", exported) as reference:
        assert opened.backend == "tensorrt-rtx-float32"
        batch = golden_batch(read_checkpoint(exported).config, 5)
        assert compare(opened, reference, batch).worst < TOLERANCES["float32"]
    assert Ahead.built == 0
    assert driver.plans == [next(plans.glob("*.plan")).read_bytes()]


def spoil_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def say_otherwise(**fields: object):  # type: ignore[no-untyped-def]
    def spoil(path: Path) -> None:
        sidecar = path.with_suffix(".json")
        sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), **fields}))

    return spoil


FAULTS = {
    "one bit": (spoil_byte, "bytes do not match their sha256"),
    "cut off": (truncate, "bytes and was written with"),
    "no json": (lambda path: path.with_suffix(".json").unlink(), "there is no plan"),
    "half a json": (lambda path: path.with_suffix(".json").write_text('{"format": "ebmc'), "cannot be read"),
    "not a plan's json": (lambda path: path.with_suffix(".json").write_text("[1]"), "not that of a plan"),
    "stale graph": (say_otherwise(graph="1" * 64), "built for graph '1111"),
    "other release": (say_otherwise(version="1.6.0"), "built for version '1.6.0'"),
    "other precision": (say_otherwise(precision="float16"), "built for precision 'float16'"),
    "other profiles": (say_otherwise(profiles=[[1, 4, 4]]), r"built for profiles \[\[1, 4, 4\]\]"),
    "other flags": (say_otherwise(flags={"tf32": True}), "built for flags"),
    "foreign GPU": (say_otherwise(targets=["sm89"]), "built for sm89, and this GPU is sm86"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plan_that_does_not_hold_is_found_out(ahead: Path, plans: Path, exported: Path, fault: str) -> None:
    spoil, said = FAULTS[fault]
    path = plans / ahead.name
    trt = import_compiler("tensorrt_rtx")
    key = plan_key(trt, graph_for(read_checkpoint(exported), "float32", plans), "float32", OPTIONS, GPU)
    assert PlanCache(plans).find(key).plan == path.read_bytes()
    spoil(path)
    found = PlanCache(plans).find(key)
    assert found.plan is None
    assert re.search(said, found.reason), found.reason


def test_a_corrupt_plan_is_rebuilt_once_and_said(exported: Path, plans: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoil_byte(next(plans.glob("*.plan")))
    driver = FakeDriver(exported)
    with engine(exported, plans, driver):
        assert Ahead.built == 1
    assert "tensorrt-rtx-float32 builds a plan for the NVIDIA GeForce RTX 3060" in caplog.text
    assert "bytes do not match their sha256" in caplog.text
    with engine(exported, plans, driver):
        assert Ahead.built == 0, "the second time it comes from the cache"
    assert driver.plans[0] == driver.plans[1]


def test_a_plan_with_other_numbers_is_rebuilt(exported: Path, plans: Path, caplog: pytest.LogCaptureFixture) -> None:
    driver = FakeDriver(exported)
    driver.broken = 3  # the three golden batches of the first plan
    with engine(exported, plans, driver):
        assert Ahead.built == 1
    assert "differs from the reference by 1.0e-01 on the golden inputs" in caplog.text
    with engine(exported, plans, FakeDriver(exported, "float16"), precision="float16") as half:
        assert half.backend == "tensorrt-rtx-float16"
        assert Ahead.built == 1, "the plan in the cache is float32"
    driver.broken = 6
    with pytest.raises(EngineError, match="differs from the reference"), engine(exported, plans, driver):
        pass


def test_the_key_tells_everything_apart() -> None:
    others = [
        replace(KEY, graph="1" * 64), replace(KEY, flavour="tensorrt"), replace(KEY, version="1.7.2"),
        replace(KEY, gpu="other"), replace(KEY, capability="sm89"), replace(KEY, driver="13.1"),
        replace(KEY, cuda="12.8"), replace(KEY, precision="float16"), replace(KEY, profiles=((1, 8, 8),)),
        replace(KEY, flags={"tf32": True}), replace(KEY, targets=("sm86",)),
    ]  # fmt: skip
    assert len({key.name for key in (KEY, *others)}) == len(others) + 1


def test_each_field_of_the_key_is_compared(tmp_path: Path) -> None:
    """A plan of another key under this key's name, as copying a cache makes them, is not taken."""
    cache = PlanCache(tmp_path)
    path = cache.write(KEY, b"plan")
    assert cache.find(KEY).plan == b"plan"
    for change in ({"gpu": "other"}, {"driver": "12.9"}, {"cuda": "12.8"}, {"capability": "sm80"}):
        asked = replace(KEY, **change)
        for suffix in (".plan", ".json"):
            (tmp_path / f"{asked.name}{suffix}").write_bytes(path.with_suffix(suffix).read_bytes())
        found = cache.find(asked)
        assert found.plan is None
        assert f"built for {next(iter(change))}" in found.reason


def test_a_write_that_is_interrupted_leaves_the_old_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PlanCache(tmp_path)
    cache.write(KEY, b"old")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        cache.write(KEY, b"new")
    monkeypatch.undo()
    assert cache.find(KEY).plan == b"old"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".plan"]


def test_half_precision_is_exported_when_it_is_first_needed(exported: Path, tmp_path: Path) -> None:
    files = read_checkpoint(exported)
    assert graph_for(files, "float16", tmp_path) == graph_path(files, "float16").read_bytes()


@pytest.mark.parametrize("name", [name for name in ENGINES if "tensorrt" in name or "cuda" in name])
def test_without_a_driver_every_gpu_engine_says_so(exported: Path, name: str) -> None:
    try:
        probe_gpu()
    except EngineAbsent as absent:
        with pytest.raises(EngineAbsent, match=r"NVIDIA driver.*; with a GPU: .*(install|JetPack)"):
            make_engine(name, exported)
        assert "NVIDIA" in str(absent)
    else:
        pytest.skip("this machine has a GPU")


def test_a_library_that_is_missing_says_how_to_get_it() -> None:
    with pytest.raises(EngineAbsent, match="tensorrt is not installed: on a Jetson it comes with JetPack"):
        import_compiler("tensorrt")


def test_the_real_runner_needs_a_gpu(ahead: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(EngineError, match="cannot use the GPU"):
        PlanRunner(import_compiler("tensorrt_rtx"), ahead.read_bytes(), OPTIONS.profiles)


def test_batches_outside_the_profiles_are_refused() -> None:
    from engines.buckets import bucket_for, fill_bucket

    assert [bucket_for(n, (1, 8, 64)) for n in (1, 2, 8, 9, 64)] == [1, 8, 8, 64, 64]
    with pytest.raises(EngineError, match="built for 1 to 64 windows at once, the batch has 65"):
        bucket_for(65, (1, 8, 64))
    with pytest.raises(EngineError, match="the batch has 0"):
        bucket_for(0, (1, 8, 64))
    filled = fill_bucket({"valid": np.ones((3, 6), np.float32)}, 8)["valid"]
    assert filled.sum(1).tolist() == [6, 6, 6, 0, 0, 0, 0, 0]
