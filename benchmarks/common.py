"""What the benchmarks share.

asv takes every number for a cost, lower is better, so the suite tracks seconds, bytes and errors:
a recall lost, never a recall. Data is made in `setup` from SEED. `version` is explicit, because
asv's own default, a hash of the source, would drop the history at each edit of a comment: raise it
only where old numbers no longer compare.
"""

import numpy as np

SEED = 9001


class Benchmark:
    version = "1"

    def setup(self, *_):
        self.rng = np.random.default_rng(SEED)
