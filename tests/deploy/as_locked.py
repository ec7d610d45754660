"""Run a program with only what a lock installs: `python -m tests.deploy.as_locked LOCK CODE`.

Every other distribution of this environment cannot be imported, as if it were not there.
"""

import sys
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from scripts.lock import LOCKS, pins

OURS = {"ebmc-stream"}
TWINS = {"opencv-contrib-python": "opencv-contrib-python-headless"}  # the same module from another build


def normal(name: str) -> str:
    """A distribution's name as locks write it."""
    return name.lower().replace("_", "-").replace(".", "-")


def absent(lock: str) -> frozenset[str]:
    """Modules of this environment that the lock does not install."""
    locked = {*pins(LOCKS[lock].path), *OURS}
    owners = {
        module: {normal(each) for each in distributions}
        for module, distributions in metadata.packages_distributions().items()
    }
    return frozenset(
        module
        for module, names in owners.items()
        if not any(name in locked or TWINS.get(name) in locked for name in names) and module != "_virtualenv"
    )


class Hidden(PathFinder):
    """Finds what is on the path, less the modules that are absent."""

    modules: frozenset[str] = frozenset()

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As the import system calls it."""
        return None if fullname.partition(".")[0] in cls.modules else super().find_spec(fullname, path, target)


if __name__ == "__main__":
    Hidden.modules = absent(sys.argv[1]) - {"stream", "engines", "ebmc_core", "scripts", "tests"}
    sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
    code, sys.argv = sys.argv[2], ["ebmc", *sys.argv[3:]]
    exec(code)
