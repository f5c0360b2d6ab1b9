from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS: dict[int, str]

def is_arrow(items: Any) -> bool: ...
def arrow_matrix(items: Any, dim: int, what: str) -> NDArray[Any]: ...
def arrow_mask(items: Any) -> NDArray[np.bool_] | None: ...
