"""Published figures, to the digits they were printed with, by the conventions of their authors.

Where a source rounded before it computed, or names no architecture, its own numbers go into `Step`.
"""

from dataclasses import replace
from fractions import Fraction

import pytest

from costs import CHIPS, Chip, Conventions, Step, Transformer

FULL = Conventions(causal="full")
MATRICES = Conventions(embeddings=False, norms=False, biases=False, logits="none")


def blocks(layers, width, heads):
    """A GPT of which sources count the matrices of the layers alone: 12 L D^2."""
    return Transformer(
        "blocks", layers, width, heads, heads, width // heads, 4 * width, 32000, gated=False
    )


def test_gpt2_as_nanogpt_counts():
    """nanoGPT, notebook transformer_sizing: no biases; attention not masked."""
    biases = dict.fromkeys(("norm_bias", "qkv_bias", "out_bias", "mlp_bias"), False)
    gpt2 = replace(Transformer.from_config("gpt2"), **biases)
    assert gpt2.params().total == 124_337_664
    forward = gpt2.flops(prefill=1024, conventions=FULL)
    assert forward.total == 291_648_307_200
    assert forward.layers == 12 * 17_716_740_096
    assert forward.logits == 79_047_426_048
    assert round(100 * forward.logits / forward.total, 1) == 27.1
    train = gpt2.flops(train=1024, conventions=FULL)
    assert train.total == 874_944_921_600
    assert gpt2.palm(1024) == 875_062_886_400
    assert round(gpt2.palm(1024) / train.total, 4) == 1.0001
    assert round(CHIPS["a100"].utilisation(100 * train.total, 0.755), 4) == 0.3714


def test_llama_as_calflops_counts():
    llama = Transformer.from_config("llama-7b")
    assert llama.params().total == 6_738_415_616
    found = llama.flops(prefill=128, conventions=FULL).total / 1e9
    assert found == pytest.approx(1700.06, rel=1e-4)
    with_all = llama.flops(prefill=128, conventions=replace(FULL, elementwise=True)).total / 1e9
    assert found < 1700.06 < with_all < 1.002 * found


@pytest.mark.parametrize(
    ("tokens", "weights", "full", "half"),
    [(8192, 1299.00, 422.21, 211.11), (129_024, 20459.32, 104735.08, 52367.54)],
)
def test_llama_training_as_maxtext_counts(tokens, weights, full, half):
    """Four sequences, in TFLOP, before and after the causal mask was taken into account."""
    llama = Transformer.from_config("llama-2-7b")
    found = llama.flops(train=tokens, batch=4, conventions=FULL)
    masked = llama.flops(train=tokens, batch=4, conventions=Conventions(causal="half"))
    assert round((found.total - found.attention) / 1e12, 2) == weights
    assert (round(found.attention / 1e12, 2), round(masked.attention / 1e12, 2)) == (full, half)


def test_gpt3_as_eleutherai_counts():
    gpt3 = replace(Transformer.from_config("gpt-3"), vocab=51200, tied=False)
    tokens = 2048
    found = gpt3.flops(prefill=tokens, conventions=FULL)
    giga = tokens * 1e9
    assert round(found.total / giga, 2) == 358.81
    assert round(found.projections * 3 / 4 / giga, 2) == 86.97  # queries, keys, values
    assert round(found.projections / 4 / giga, 2) == 28.99  # output
    assert round(found.attention / 2 / giga, 2) == 4.83  # scores, and as much for values
    assert round(found.mlp / giga, 2) == 231.93
    assert round(found.logits / giga, 2) == 1.26
    assert f"{gpt3.params().total / 1e9:.2f}" == "175.24"
    train = gpt3.flops(train=tokens, conventions=replace(FULL, logits_backward=False))
    assert f"{train.total / tokens * 300e9:.2e}" == "3.22e+23"
    assert f"{6 * gpt3.params().total * 300e9:.2e}" == "3.15e+23"


def test_52_billion_as_kipply_counts():
    """C. Chen, "Transformer inference arithmetic": A100 at 1.5 TB/s and 312 Tflop/s."""
    model, a100 = blocks(64, 8192, 64), replace(CHIPS["a100-40g"], bandwidth=1.5e12)
    assert model.kv_bytes() == 2_097_152
    token = model.flops(decode=1)
    assert token.projections + token.mlp == 103_079_215_104
    assert token.projections // 2 == 17_179_869_184  # keys and values: half of them
    assert round(a100.ridge()) == 208
    weights = 2 * model.params(MATRICES).total
    assert f"{Step.on(a100, weight_bytes=weights).mid * 1e3:.1f}" == "68.7"
    assert f"{Step.on(a100, 4, weight_bytes=weights).mid * 1e3:.1f}" == "17.2"
    for tokens, bound in ((207, "weights"), (208, "matrices")):
        flops = tokens * weights
        assert Step.on(a100, flops=flops, weight_bytes=weights).bound == bound


def test_260_billion_on_16_as_kipply_counts():
    """Links without (p - 1) / p; the embedding of 32,000 words belongs to the 260 billion."""
    model, a100 = blocks(80, 16384, 128), replace(CHIPS["a100-40g"], bandwidth=1.5e12)
    model = replace(model, tied=True)
    rule = Conventions(norms=False, biases=False, lookup=True, ring=False, logits="last")
    small, large = (
        model.serve(a100, batch, 1, chips=16, conventions=rule).decode for batch in (1, 512)
    )
    assert round(small.weights * 1e3) == 22
    assert round(large.matrices * 1e3) == 53
    assert round(large.link * 1e3) == 18
    assert small.link == pytest.approx(4 * 80 * 8e-6)


def test_opt_13b_as_kipply_estimates():
    """The estimates; 22.0 and 13.5 ms were measured, which is what calibration is for."""
    model, a100 = blocks(40, 5120, 40), replace(CHIPS["a100-40g"], bandwidth=1.5e12)
    one, two = (model.serve(a100, 1, 512, chips=n, conventions=MATRICES).decode for n in (1, 2))
    assert f"{one.weights * 1e3:.1f}" == "16.8"
    assert f"{two.weights * 1e3:.1f}" == "8.4"
    assert round(two.link * 1e3) == 1


@pytest.mark.parametrize(
    ("kv_heads", "batch", "memory", "latency", "throughput"),
    [
        (40, 1, "26.870", "8.0208", "124.675"),
        (40, 64, "79.718", "23.796", "2689.48"),
        (40, 256, "240.78", "71.874", "3561.77"),
        (8, 64, "33.413", "9.974", "6416.69"),
        (8, 256, "65.625", "19.590", "13068.16"),
    ],
)
def test_llama_13b_on_h100_as_cs336_counts(kv_heads, batch, memory, latency, throughput):
    """Stanford CS336, lecture 10: every parameter but norms read at each step."""
    rule = Conventions(norms=False, lookup=True, logits="last")
    model = replace(Transformer.from_config("llama-2-13b"), kv_heads=kv_heads)
    if kv_heads == 40:
        assert model.params(rule).total == 13_015_449_600
    step = model.serve("h100", batch, 1024, conventions=rule).decode
    held = 2 * model.params(rule).total + model.kv_bytes(1024, batch=batch)

    def digits(value, like):
        return f"{value:.{len(like.partition('.')[2])}f}"

    assert digits(held / 1e9, memory) == memory
    assert digits(step.mid * 1e3, latency) == latency
    assert digits(batch / step.mid, throughput) == throughput
    assert step.mid == step.weights + step.cache


V5E = replace(CHIPS["tpu-v5e"], bandwidth=8.2e11)  # as rounded in the scaling book
BATCHES = (1, 8, 16, 32, 64, 240)


@pytest.mark.parametrize(
    ("cache", "kv_heads", "published"),
    [
        (6.7e9, 40, (4.98, 12.13, 20.30, 36.65, 69.33, 249.09)),
        (1.34e9, 8, (4.17, 5.60, 7.23, 10.50, 17.04, 52.99)),
    ],
)
def test_llama_13b_on_8_v5e_as_the_scaling_book_counts(cache, kv_heads, published):
    """26 GB of weights and 6.7 GB of cache a sequence, as the book rounds; and by the architecture,
    which has 3.4 GB less of projections where heads are grouped."""
    model = replace(Transformer.from_config("llama-2-13b"), kv_heads=kv_heads)
    for batch, ms in zip(BATCHES, published, strict=True):
        step = Step.on(V5E, 8, flops=batch * 26e9, weight_bytes=26e9, cache_bytes=batch * cache)
        assert round(step.mid * 1e3, 2) == ms
        exact = model.serve(V5E, batch, 8192, chips=8).decode
        near = 0.02 if kv_heads == 40 else 0.14
        assert exact.mid - exact.link == pytest.approx(ms / 1e3, rel=near)


def test_serving_in_int8_as_the_scaling_book_counts():
    def step(batch):
        return Step.on(
            V5E,
            16,
            flops=2 * batch * 30e9,
            weight_bytes=30e9,
            cache_bytes=batch * 8192 * 100e3,
        )

    assert f"{step(4).mid * 1e3:.1f}" == "2.5"
    assert round(step(256).mid * 1e3) == 21
    assert step(256).low < step(256).mid < step(256).high
    held = 70e9 + 32 * 8192 * 160e3  # Llama-3-70B, as rounded
    assert round(held / 1e9) == 112
    llama = Step.on(V5E, 8, weight_bytes=70e9, cache_bytes=held - 70e9, flops=2 * 32 * 70e9)
    assert round(llama.mid * 1e3) == 17
    assert round(32 / 0.017) == 1882
    prefill = Step.on(V5E.scaled(flops=0.4), 16, flops=2 * 70e9 * 8192, weight_bytes=70e9)
    assert f"{prefill.mid:.2f}" == "0.91"
    model = Transformer.from_config("llama-3-70b")
    plan = model.serve(V5E, 32, 8192, chips=8, weight_bits=8, cache_bits=8)
    assert plan.bytes / 1e9 == pytest.approx(112, rel=0.02)
    assert plan.decode.mid - plan.decode.link == pytest.approx(17e-3, rel=0.02)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("llama-2-7b", 524_288),
        ("llama-2-13b", 819_200),
        ("opt-13b", 819_200),
        ("llama-2-70b", 327_680),
        ("llama-3-70b", 327_680),
        ("llama-3-8b", 131_072),
        ("llama-3.1-405b", 516_096),
        ("gpt-3", 4_718_592),
        ("deepseek-v3", 70_272),
    ],
)
def test_cache_of_a_token(name, published):
    assert Transformer.from_config(name).kv_bytes() == published


@pytest.mark.parametrize(
    ("name", "mib"), [("llama-3-8b", 256), ("llama-3-70b", 640), ("command-r-35b", 2560)]
)
def test_cache_as_llama_cpp_prints_it(name, mib):
    assert Transformer.from_config(name).kv_bytes(2048) == mib << 20


def test_ridges():
    def ridge(chip, bandwidth=None, flops=None):
        given = CHIPS[chip]
        rates = given.flops if flops is None else {"bf16": flops}
        return replace(given, flops=rates, bandwidth=bandwidth or given.bandwidth).ridge()

    assert round(ridge("a100", 1.5e12)) == 208
    assert round(ridge("a100-40g"), 1) == 200.6
    assert round(ridge("a100")) == 153
    assert round(ridge("h100")) == 295
    assert round(ridge("h200")) == 206
    assert round(ridge("b200")) == 281
    assert round(ridge("b200", 7.672e12)) == 293
    assert round(ridge("tpu-v5e", 8.2e11)) == 240  # the scaling book's rounding of 819 GB/s
    assert round(ridge("tpu-v6e", 1.6e12, 9.1e14)) == 569  # its figures; Google: 918 and 1,640
    with_int8 = Chip("v5e", {"bf16": 197e12, "int8": 394e12}, 8.2e11, 16e9)
    assert with_int8.ridge("int8") == 2 * with_int8.ridge()


def test_crossovers():
    """Attention overtakes the projections at 2 D, a GPT's layer at 6 D, a gated one of F = 4 D at
    8 D; masked, at twice that."""
    gpt = blocks(12, 768, 12)
    gated = replace(gpt, gated=True)
    for causal, times in (("full", 1), ("half", 2)):
        by = Conventions(causal=causal)
        assert gpt.crossover(by).orders == 768
        assert gpt.crossover(by).qkvo == times * 2 * 768
        assert gpt.crossover(by).layer == times * 6 * 768
        assert gated.crossover(by).layer == times * 8 * 768
    assert gpt.crossover().qkvo == 4 * 768 - 1  # a token sees (n + 1) / 2 keys, itself included


@pytest.mark.parametrize("tokens", [1, 2, 3, 100, 4096])
def test_what_a_cache_saves(tokens):
    made = blocks(3, 64, 4).generate(tokens, conventions=FULL)
    assert made.attention_ratio == Fraction(2 * tokens + 1, 3)
    assert made.projections_ratio == Fraction(tokens + 1, 2)


def test_megatrons_closed_form():
    model, t, v, d, layers = blocks(24, 2048, 16), 1024, 32000, 2048, 24
    closed = 24 * t * layers * d**2 * (1 + Fraction(t, 6 * d) + Fraction(v, 12 * layers * d))
    assert model.flops(prefill=t, conventions=FULL).total == closed
    recompute = model.flops(train=t, conventions=replace(FULL, recompute=True)).total
    closed = 96 * t * layers * d**2 * (1 + Fraction(t, 6 * d) + Fraction(v, 16 * layers * d))
    assert recompute == closed
