"""Near neighbours and near duplicates."""

import sketches as _sketches  # an unbuilt tree says there what to run
