"""The promises of the tree itself: how it is built, imported and packed."""

import gc
import importlib.machinery
import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

import tractable

ROOT = Path(__file__).parents[1]
PACKAGES = ("sketches", "ann", "costs")


def python(code: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    for package in PACKAGES:
        without = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=without)
    return tmp_path


@pytest.mark.parametrize("module", ["sketches", "ann", "ann.dedup", "sketches.hashing"])
def test_unbuilt_tree_says_what_to_run(unbuilt: Path, module: str) -> None:
    isolated = "-S"  # no site-packages: an editable install would lend its compiled modules
    message = python(f"import {module}", unbuilt, isolated).stderr
    assert message.count("Traceback") == 1
    assert re.search(r"^ImportError: tractable is not built in .* run `make dev`", message, re.M)


def test_broken_extension_shows_its_own_error(unbuilt: Path) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (unbuilt / "sketches" / f"hashing{suffix}").touch()
    message = python("import sketches", unbuilt, "-S").stderr
    assert "hashing" in message
    assert "make dev" not in message


@pytest.mark.parametrize("package", PACKAGES)
def test_import_is_light(tmp_path: Path, package: str) -> None:
    heavy = {"pyarrow", "click", "rich", "matplotlib", "pandas", "polars", "msgspec"}
    code = f"import sys, {package}; print(*sys.modules)"
    result = python(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert not heavy & set(result.stdout.split())


def test_a_command_leaves_the_garbage_collector_as_it_was() -> None:
    before = gc.get_threshold()
    for arguments in (["dedup", "--help"], ["dedup", "/nowhere"], ["--help"]):
        CliRunner().invoke(tractable.main, arguments)
        assert gc.get_threshold() == before


def test_command_line_tells_the_installed_version(tmp_path: Path) -> None:
    command = [Path(sysconfig.get_path("scripts"), "tractable"), "--version"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert importlib.metadata.version("tractable") in said.split()


@pytest.mark.parametrize("package", PACKAGES)
def test_an_installation_has_stubs_and_no_sources(package: str) -> None:
    installed = Path(importlib.import_module(package).__file__ or "").parent
    public = [path.stem for path in (ROOT / package).glob("[!_]*.pyx")]
    assert [name for name in public if not (installed / f"{name}.pyi").exists()] == []
    assert (installed / "py.typed").exists()
    files = map(str, importlib.metadata.files("tractable") or ())
    assert not [name for name in files if name.endswith((".pyx", ".c", ".h"))]


@pytest.mark.slow
def test_sdist_holds_what_a_build_and_the_tests_need(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", tmp_path, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        held = {name.partition("/")[2] for name in tar.getnames()}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {path for path in tracked if not path.startswith(".")} <= held
    assert not [path for path in held if path.endswith((".so", ".o")) or path.startswith("build/")]
