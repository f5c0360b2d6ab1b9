from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

EMPTY: int
NUM_PERM_MAX: int

def check_num_perm(num_perm: Any) -> int: ...
def minhash_matrix(
    sets: Any, offsets: ArrayLike | None = None, *, num_perm: int = 128, seed: int = 9001
) -> NDArray[np.uint32]: ...
