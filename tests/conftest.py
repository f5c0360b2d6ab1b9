import os
import shutil
import signal
import subprocess

import pytest

from sketches import _cpu

# A job in the background is started with SIGINT ignored, and hands that down: tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_isa_afterwards():
    """Whatever levels a test goes through, the next one finds that of TRACTABLE_ISA again."""
    before = _cpu.isa()
    yield
    _cpu.set_isa(before)


@pytest.fixture(params=_cpu.available())
def isa(request):
    """Runs a test at every instruction-set level of this machine."""
    _cpu.set_isa(request.param)
    return request.param


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Loads a file in a headless browser, light or dark: its DOM in the end, and the console."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    profile = tmp_path_factory.mktemp("profile")
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}

    def load(path, scheme="light"):
        done = subprocess.run(  # without the sanitizers that this process may be under
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--no-first-run", "--disable-background-networking", "--disable-sync",
                f"--user-data-dir={profile}", "--window-size=1400,1000",
                "--enable-logging=stderr", "--v=0",
                f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
                "--virtual-time-budget=5000", "--dump-dom", path.as_uri(),
            ],
            capture_output=True, text=True, check=True, timeout=240, env=plain,
        )  # fmt: skip
        console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
        return done.stdout, console

    return load
