"""The C kernels on their own: every level against plain C, under sanitizers and on AArch64."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("check", Path(__file__).with_name("check.py"))
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def run(target):
    try:
        return check.check(target)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{' '.join(error.cmd)}\n{error.output}{error.stderr}")


def sanitizers_work(tmp_path):
    source = tmp_path / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    command = ["cc", *check.SANITIZERS, str(source), "-o", str(tmp_path / "empty")]
    built = subprocess.run(command, capture_output=True, check=False).returncode == 0
    return built and subprocess.run([tmp_path / "empty"], check=False).returncode == 0


def test_this_machine_under_sanitizers(tmp_path):
    if not shutil.which("cc"):
        pytest.skip("no C compiler `cc`")
    if not sanitizers_work(tmp_path):
        pytest.skip("the C compiler has no AddressSanitizer here")
    assert "baseline" in run("native")


def test_aarch64_under_qemu():
    compiler, launcher = check.CROSS["aarch64"]
    for tool in (compiler, launcher[0]):
        if not shutil.which(tool):
            pytest.skip(f"no {tool} here (Debian: gcc-aarch64-linux-gnu, qemu-user)")
    assert "neon" in run("aarch64")
