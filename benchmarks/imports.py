"""What merely having the library costs: the time to import it, the bytes it occupies."""

from pathlib import Path

import sketches

from .common import Benchmark


class Import(Benchmark):
    """`import sketches` in a fresh interpreter that has numpy: promised under 0.1 s."""

    def timeraw_import(self):
        return "import sketches", "import numpy"

    def track_compiled_nbytes(self):
        return sum(path.stat().st_size for path in Path(sketches.__file__).parent.glob("*.so"))

    track_compiled_nbytes.unit = "bytes"
    track_compiled_nbytes.gated = False  # the compiler's choice
