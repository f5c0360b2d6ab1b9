"""Is what `costs.Transformer` foretells true? Small models, really run on this processor.

    python benchmarks/peers/transformer.py

Llama-shaped models in numpy, random weights of 32 bits, on one thread. One prompt and one step are
timed and calibrate the chip; all other times are foretold from that: other lengths, contexts and
batches, and another model. Medians of rounds in which all take turns.

A batch is calibrated by a batch: OpenBLAS multiplies one row by a matrix at the speed of memory, a
few rows at a quarter of that, by another kernel.
"""

import os
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402

from costs import Chip, Conventions, Transformer  # noqa: E402

PLAIN = Transformer("plain", 8, 768, 12, 12, 64, 2048, 8192)
OTHER = Transformer("other", 6, 1024, 16, 16, 64, 3072, 4096)
GROUPED = Transformer("grouped", 8, 768, 12, 4, 64, 2048, 8192)
ALONE = [
    (PLAIN, 1, 64, "prefill"),
    (PLAIN, 1, 128, "prefill"),
    (PLAIN, 1, 512, "prefill"),
    (PLAIN, 1, 1024, "prefill"),
    (OTHER, 1, 384, "prefill"),
    (PLAIN, 1, 64, "decode"),
    (PLAIN, 1, 2048, "decode"),
    (PLAIN, 1, 6144, "decode"),
    (OTHER, 1, 1024, "decode"),
    (OTHER, 1, 4096, "decode"),
]
TOGETHER = [
    (GROUPED, 2, 1024, "decode"),
    (GROUPED, 4, 128, "decode"),
    (GROUPED, 4, 4096, "decode"),
    (GROUPED, 8, 512, "decode"),
    (GROUPED, 8, 2048, "decode"),
    (GROUPED, 16, 1024, "decode"),
]
ROUNDS = 7
NOMINAL = Chip("processor", {"f32": 1e11}, 1e10, 1e10)
RUN = {
    "weight_bits": 32,
    "cache_bits": 32,
    # how often numpy sends the scores through memory: product, scale, mask, largest, difference,
    # exponential, sum, quotient, product
    "score_passes": 12,
    "conventions": Conventions(causal="full", logits="last"),  # the mask hides what was computed
}


class Numpy:
    """The model in numpy: keys and values in a cache that is made beforehand."""

    def __init__(self, model, batch, room):
        rng = np.random.default_rng(9001)
        d, h = model.d_model, model.head_dim
        n, k, f = model.heads, model.kv_heads, model.ffn

        def matrix(*shape):
            return rng.standard_normal(shape, np.float32) / np.float32(shape[0] ** 0.5)

        self.model, self.length = model, 0
        self.embedding, self.head = matrix(model.vocab, d), matrix(d, model.vocab)
        self.layers = [
            [matrix(d, (n + 2 * k) * h), matrix(n * h, d), matrix(d, 2 * f), matrix(f, d)]
            for _ in range(model.layers)
        ]
        shape = (model.layers, batch, k, room, h)
        self.keys = rng.standard_normal(shape, np.float32)
        self.values = rng.standard_normal(shape, np.float32)

    def run(self, tokens, past):
        """Logits of the last position of each sequence: tokens int[batch, new] behind `past`."""
        m = self.model
        batch, new = tokens.shape
        x = self.embedding[tokens]
        mask = np.triu(np.full((new, past + new), -np.inf, np.float32), past + 1)
        for i, (qkv, out, up, down) in enumerate(self.layers):
            q, k, v = np.split(
                (norm(x) @ qkv).reshape(batch, new, -1, m.head_dim),
                [m.heads, m.heads + m.kv_heads],
                axis=2,
            )
            here = slice(past, past + new)
            self.keys[i, :, :, here], self.values[i, :, :, here] = (
                part.transpose(0, 2, 1, 3) for part in (k, v)
            )
            keys = self.keys[i, :, :, None, : past + new]
            values = self.values[i, :, :, None, : past + new]
            group = m.heads // m.kv_heads
            q = q.reshape(batch, new, m.kv_heads, group, m.head_dim).transpose(0, 2, 3, 1, 4)
            if new == 1:  # the queries that share keys are the rows of one product
                q = q.transpose(0, 1, 3, 2, 4)
            scores = q @ keys.swapaxes(-1, -2)
            scores *= np.float32(m.head_dim**-0.5)
            if new > 1:
                scores += mask
            scores -= scores.max(-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(-1, keepdims=True)
            seen = scores @ values
            if new == 1:
                seen = seen.transpose(0, 1, 3, 2, 4)
            seen = seen.transpose(0, 3, 1, 2, 4).reshape(batch, new, -1)
            x = x + seen @ out
            gate, wide = np.split(norm(x) @ up, 2, axis=-1)
            x = x + (gate / (1 + np.exp(-gate)) * wide) @ down
        return norm(x[:, -1]) @ self.head


def norm(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)


def measure(cases):
    """Median seconds of every case (model, batch, tokens, phase), all of which take turns."""
    room = {}
    for model, batch, tokens, _ in cases:
        room[model, batch] = max(tokens, room.get((model, batch), 0))
    made = {key: Numpy(*key, tokens) for key, tokens in room.items()}
    rng = np.random.default_rng(1)
    took = {case: [] for case in cases}
    for _ in range(ROUNDS):
        for case in cases:
            model, batch, tokens, phase = case
            new, past = (tokens, 0) if phase == "prefill" else (1, tokens - 1)
            given = rng.integers(0, model.vocab, (batch, new))
            start = time.perf_counter()
            logits = made[model, batch].run(given, past)
            took[case].append(time.perf_counter() - start)
            assert np.isfinite(logits).all()
    return {case: float(np.median(times)) for case, times in took.items()}


def foretell(title, calibrating, cases):
    """Print each case beside what the first prompt and step foretell of it."""
    prompt, step = calibrating
    seen = measure([prompt, step, *cases])
    chip = prompt[0].calibrate(
        NOMINAL,
        prefill=(prompt[2], seen[prompt]),
        decode=(step[2], seen[step]),
        batch=step[1],
        **RUN,
    )
    print(f"{title}: {chip.rate() / 1e9:.1f} Gflop/s, {chip.bandwidth / 1e9:.1f} GB/s")
    errors = []
    for case, seconds in seen.items():
        model, batch, tokens, phase = case
        plan = model.serve(chip, batch, tokens, **RUN)
        mid = (plan.first_token if phase == "prefill" else plan.per_token).mid
        error, used = mid / seconds - 1, case in calibrating
        errors += [] if used else [abs(error)]
        print(
            f"  {phase:8}{model.name:8}{batch:3} x {tokens:5}: measured {seconds * 1e3:8.2f} ms, "
            f"foretold {mid * 1e3:8.2f}, " + ("calibrates" if used else f"{error:+.1%}")
        )
    print(f"  error: {np.median(errors):.1%} in the middle, {max(errors):.1%} at most")


if __name__ == "__main__":
    foretell("one sequence", [(PLAIN, 1, 256, "prefill"), (PLAIN, 1, 512, "decode")], ALONE)
    foretell("batches", [(GROUPED, 1, 256, "prefill"), (GROUPED, 4, 1024, "decode")], TOGETHER)
