"""Build the kernel checks with the compiler flags of setup.py, and run them.

    python tests/kernels/check.py            this machine, AddressSanitizer and UBSan
    python tests/kernels/check.py aarch64    Debian's cross-compiler, run under qemu-user

The C files beside this one hold the checks; check.h says how to add one.
"""

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CROSS = {"aarch64": ("aarch64-linux-gnu-gcc", ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"])}


def flags():
    """The flags of each instruction set, read from setup.py so that they cannot drift apart."""
    wanted, found = {"CFLAGS", "AVX2", "AVX512_PARTS", "AVX512"}, {}
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in wanted:
            exec(compile(ast.Module([node], []), "setup.py", "exec"), found)
    return found


def check(target="native"):
    """Compile and run; raises subprocess.CalledProcessError with the output where that fails."""
    compiler, launcher = CROSS.get(target, (os.environ.get("CC", "cc"), []))
    build = flags()
    machine = subprocess.check_output([compiler, "-dumpmachine"], text=True)
    levels = {"baseline": []}
    if machine.startswith("x86_64"):
        levels |= {"avx2": build["AVX2"], "avx512": build["AVX512"]}
    elif machine.startswith(("aarch64", "arm64")):
        levels |= {"neon": []}
    common = [*build["CFLAGS"], f"-I{ROOT / 'csrc'}", "-g"]
    common += [] if launcher else ["-O1", *SANITIZERS]
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        sources = [(path, []) for path in sorted(HERE.glob("*.c"))]
        sources += [
            (p, f) for isa, f in levels.items() for p in sorted(ROOT.glob(f"csrc/*_{isa}.c"))
        ]
        for source, extra in sources:
            objects.append(f"{folder}/{source.stem}.o")
            run([compiler, *common, *extra, "-c", str(source), "-o", objects[-1]])
        program = f"{folder}/check"
        run([compiler, *([] if launcher else SANITIZERS), *objects, "-lm", "-o", program])
        return run([*launcher, program])


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


if __name__ == "__main__":
    try:
        print(check(*sys.argv[1:]), end="")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)}\n{error.output}{error.stderr}")
