"""Nothing in the program runs what it reads: no pickle, no `eval`, no shell, no TLS without certificates."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("stream", "engines", "ebmc_core")
# ruff's rules of flake8-bandit, by what they find; those that only ask for a look are looked at below
RULES = {
    "S102": "exec",
    "S103": "files that everybody may write",
    "S105": "a password in the code",
    "S106": "a password in a call",
    "S108": "a file in /tmp whose name can be guessed",
    "S113": "a request without a time limit",
    "S202": "tarfile.extractall without a check",
    "S301": "pickle, marshal, shelve, dill",
    "S302": "marshal",
    "S306": "tempfile.mktemp",
    "S307": "eval",
    "S312": "telnet",
    "S313": "XML that expands entities",
    "S314": "XML that expands entities",
    "S318": "XML that expands entities",
    "S321": "FTP",
    "S323": "TLS without certificates",
    "S324": "MD5 and SHA-1",
    "S403": "import pickle",
    "S501": "verify=False",
    "S502": "SSL of old versions",
    "S504": "SSL without a version",
    "S506": "yaml.load",
    "S508": "SNMP without a password",
    "S602": "a shell",
    "S604": "a shell",
    "S605": "a shell",
    "S609": "a wildcard for a shell",
    "S612": "logging.config.listen",
    "S701": "jinja2 without escaping",
    "S702": "mako",
}
# path:code -> why it is no danger there
ALLOWED = {
    "stream/features/text.py:S106": "`pad_token` is a word of a vocabulary",
    "stream/prepare/mosi.py:S106": "the same",
    "stream/apart/wire.py:S301": "from a process that this one started, over a socket that nobody else has",
    "stream/apart/wire.py:S403": "the same",
}
RUFF = (sys.executable, "-m", "ruff", "check", "--isolated", "--preview", "--no-cache", "--output-format", "json")


def found_by_ruff(*paths: Path | str) -> list[tuple[str, str, str]]:
    """Path, code and words of what the rules find."""
    command = [*RUFF, "--select", ",".join(RULES), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout, done.stderr
    return [(each["filename"], each["code"], each["message"]) for each in json.loads(done.stdout)]


def test_ruff_finds_nothing_dangerous() -> None:
    found = {f"{Path(path).relative_to(ROOT)}:{code}": words for path, code, words in found_by_ruff(*PACKAGES)}
    assert found.keys() == ALLOWED.keys(), found


def test_the_rules_find_what_they_are_for(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "import pickle, subprocess, tempfile, yaml\n"
        "eval('1')\nexec('1')\npickle.loads(b'')\nsubprocess.run('ls', shell=True)\ntempfile.mktemp()\nyaml.load('a')\n"
    )
    codes = {code for _, code, _ in found_by_ruff(tmp_path)}
    assert {"S102", "S301", "S306", "S307", "S403", "S506", "S602"} <= codes


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    """Every file of the program, parsed."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [(path, ast.parse(path.read_text("utf-8"))) for path in paths]


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls of a function whose dotted name ends so, with where they are."""
    last = name.rpartition(".")[2]
    for path, tree in trees():
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == last
            if called and ast.unparse(node.func).endswith(name):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_torch_loads_weights_only() -> None:
    for where, call in calls("torch.load"):
        assert "weights_only=True" in {ast.unparse(each) for each in call.keywords}, where


def test_arrays_never_hold_pickles() -> None:
    """NumPy refuses pickles unless it is told otherwise; nothing here tells it."""
    for where, call in [*calls("np.load"), *calls("np.savez_compressed"), *calls("np.savez")]:
        given = {each.arg: each.value for each in call.keywords}
        allowed = given.get("allow_pickle")
        assert allowed is None or (isinstance(allowed, ast.Constant) and allowed.value is False), where


def test_no_module_that_runs_what_it_reads_is_imported() -> None:
    banned = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
    for path, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            here = str(path.relative_to(ROOT))
            if f"{here}:S403" not in ALLOWED:
                assert not {name.partition(".")[0] for name in names} & banned, path


def test_programs_are_started_from_lists_and_never_through_a_shell() -> None:
    for name in ("subprocess.run", "subprocess.Popen", "subprocess.check_output", "os.system", "os.popen"):
        for where, call in calls(name):
            assert not name.startswith("os."), where
            given = {each.arg: each.value for each in call.keywords}
            assert "shell" not in given, where
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), where
