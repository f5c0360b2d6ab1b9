"""Near neighbours and near duplicates."""

import sketches  # noqa: F401  (an unbuilt tree says there what to run)
