"""`filter=` of every index: ids, a mask over the vectors that are there, or an Arrow column."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ann._arrow_vectors import arrow_mask, is_arrow
from ann._slots import Slots
from ann._vectors import as_ids


def allowed_slots(filter: Any, slots: Slots, present: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slots that a search may answer with, rising: int64[m].

    A filter is either the ids that are allowed, of which those that the index does not hold count
    for nothing, or booleans, one for each of the index's `ids` in their order; `present` are the
    slots in that order.
    """
    if is_arrow(filter) and not isinstance(filter, np.ndarray):
        mask = arrow_mask(filter)
        filter = np.asarray(filter) if mask is None else mask
    elif isinstance(filter, (set, frozenset, range)):
        filter = list(filter)
    array = np.asarray(filter)
    if array.dtype == bool:
        if array.shape != present.shape:
            raise ValueError(
                f"filter has {array.shape[0] if array.ndim == 1 else array.shape} booleans for"
                f" {len(present)} vectors: it goes with the index's `ids`, in their order"
            )
        return np.sort(present[array])
    found = slots.find(as_ids(array))
    return np.unique(found[found >= 0])
