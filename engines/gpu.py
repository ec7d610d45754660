"""Is there an NVIDIA GPU, and which? Asked of the driver itself, so that no large library is loaded to hear no."""

import ctypes
import ctypes.util
from dataclasses import dataclass

from engines.errors import EngineAbsent

MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


@dataclass(frozen=True, slots=True)
class Gpu:
    """name: as the driver says it. capability: such as `sm86`. driver: the CUDA version that the driver speaks."""

    name: str
    capability: str
    driver: str


def probe_gpu(get: str = "install NVIDIA's driver") -> Gpu:
    """The first GPU of this machine; `EngineAbsent` if the driver or the GPU is missing.

    get: how the engine that asks is had on a machine with a GPU, for the message.
    """
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if ctypes.util.find_library("nvcuda") else "libcuda.so.1")
    except OSError as error:
        raise EngineAbsent(f"no NVIDIA driver here (libcuda.so.1 is not found); with a GPU: {get}") from error
    device, major, minor, version = (ctypes.c_int() for _ in range(4))
    name = ctypes.create_string_buffer(256)
    for done, call in (
        (cuda.cuInit(0), "cuInit"),
        (cuda.cuDeviceGet(ctypes.byref(device), 0), "cuDeviceGet"),
        (cuda.cuDeviceGetName(name, len(name), device), "cuDeviceGetName"),
        (cuda.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, device), "cuDeviceGetAttribute"),
        (cuda.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, device), "cuDeviceGetAttribute"),
        (cuda.cuDriverGetVersion(ctypes.byref(version)), "cuDriverGetVersion"),
    ):
        if done != 0:
            raise EngineAbsent(f"the NVIDIA driver gives no GPU ({call} answered {done}); with a GPU: {get}")
    spoken = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Gpu(name.value.decode(), f"sm{major.value}{minor.value}", spoken)
