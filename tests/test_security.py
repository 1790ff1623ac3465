"""What SECURITY.md says: reading executes nothing, nothing is sent, a run directory is written in itself alone."""

import ast
import json
import sys
from pathlib import Path

import pytest

import rheostax as rx
from rheostax.errors import RheostaxError
from rheostax.record.run_directory import RunDirectory

SOURCE = Path(rx.__file__).parent
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
EXECUTES = {"eval", "exec", "compile", "__import__"}
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "code", "runpy"}
NETWORK = {"socket", "ssl", "urllib", "http", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "webbrowser", "xmlrpc"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        else:
            continue
        yield from (name.partition(".")[0] for name in names if name != "urllib.parse")  # which takes texts apart, and no more


def called(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_nothing_in_the_package_executes_a_text():
    assert len(TREES) > 100
    assert not {file: names for file, tree in TREES.items() if (names := EXECUTES & set(called(tree)))}
    assert not {file: names for file, tree in TREES.items() if (names := FORBIDDEN & set(imported(tree)))}
    keywords = [node.arg for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    assert "allow_pickle" not in keywords
    assert "shell" not in keywords


def test_nothing_in_the_package_opens_a_connection():
    assert not {file: names for file, tree in TREES.items() if (names := NETWORK & set(imported(tree)))}


def test_the_scan_sees_what_it_looks_for():
    tree = ast.parse("import urllib.request, os\nfrom pickle import loads\neval('1')")
    assert set(imported(tree)) == {"urllib", "os", "pickle"}
    assert set(called(tree)) == {"eval"}


PAYLOADS = [
    "__import__('os').system('touch /tmp/never')",
    "Constant(1.0).__class__.__mro__[1].__subclasses__()",
    "!!python/object/apply:os.system ['touch /tmp/never']",
    '{"__reduce__": ["os.system", "touch /tmp/never"]}',
    "\x80\x04cos\nsystem\n(S'touch /tmp/never'\ntR.",
    "${jndi:ldap://localhost/a}",
]
FORBIDDEN_EVENTS = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "socket.connect",
    "socket.getaddrinfo",
    "pickle.",
)
_watching = False
_seen = []


def _hook(event, _):
    # (Not exec and marshal.loads, which are how Python imports; the scan of the source looks for those.)
    if _watching and event.startswith(FORBIDDEN_EVENTS):
        _seen.append(event)


sys.addaudithook(_hook)


@pytest.fixture
def watched():
    global _watching  # noqa: PLW0603
    _seen.clear()
    _watching = True
    yield _seen
    _watching = False
    assert not _seen


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_texts_are_only_read(payload, watched):
    from rheostax.expressions import from_json, from_yaml, parse

    for read in (parse, from_yaml, lambda text: from_json({text: {}}), lambda text: from_json({"Constant": {"value": text}})):
        with pytest.raises(RheostaxError):
            read(payload)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_run_directories_are_only_read(payload, watched, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"task": payload, "learning_rate": payload, "groups": payload}))
    (run / "metrics.jsonl").write_text(json.dumps({"count": 0, "learning_rate": payload, payload: payload}) + "\n" + payload)
    (run / "journal.jsonl").write_text(json.dumps({"count": payload, "reason": payload}) + "\n")
    for read in (rx.read_run, lambda path: rx.replay(rx.read_run(path))):
        try:
            read(run)
        except RheostaxError:
            continue


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_tables_are_only_read(payload, watched, tmp_path):
    for name in ("log.csv", "log.jsonl"):
        file = tmp_path / name
        file.write_text(f"step,lr,{payload}\n1,{payload},2\n{payload}")
        try:
            rx.read_run(file)
        except RheostaxError:
            continue


def test_the_watch_sees_a_program_that_is_started():
    import subprocess

    global _watching  # noqa: PLW0603
    _seen.clear()
    _watching = True
    try:
        subprocess.run([sys.executable, "-c", ""], check=True)
    finally:
        _watching = False
    assert any(event.startswith("subprocess.") for event in _seen)
    _seen.clear()


def test_nothing_but_a_run_is_ever_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(RheostaxError, match="is not a run directory"):
        RunDirectory.create(tmp_path / "mine", overwrite=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    run = RunDirectory.create(tmp_path / "run")
    run.write("config.json", {"packages": {"rheostax": rx.__version__}})
    (run.path / "link").symlink_to(outside)
    RunDirectory.create(tmp_path / "run", overwrite=True)
    assert (outside / "kept.txt").read_text() == "kept"
