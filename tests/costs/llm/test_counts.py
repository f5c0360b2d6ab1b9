"""Counts of operations, cache and generation against a model that is spelled out, pair by pair."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costs import CHIPS, Chip, Conventions, Experts, Latent, Step, Transformer
from costs.llm.serving import weights_read

SMALL = Transformer("small", 3, 32, 4, 2, 8, 48, 100)
MIXED = replace(SMALL, window=5, windowed_layers=2)
LATENT = replace(SMALL, kv_heads=4, latent=Latent(12, 10, 8, 4, 6))
SPARSE = replace(SMALL, experts=Experts(8, 2, 24, shared_ffn=24, dense_layers=1))
MODELS = [SMALL, MIXED, LATENT, SPARSE]


def visible(new, past, window, causal):
    """Which of past + new keys each new query sees, weighed: the diagonal counts 1/2 in "half"."""
    query, key = np.ogrid[past : past + new, 0 : past + new]
    if causal == "full":
        return np.full((new, min(past + new, window)), 1.0)
    seen = ((key <= query) & (key > query - window)).astype(float)
    if causal == "half":
        seen[(key == query) & (query < window)] = 0.5
    return seen


def spelled_out(model, new, past, causal, absorbed=False):
    """Multiplications and additions of a pass, layer by layer."""
    found = dict.fromkeys(("projections", "attention", "mlp"), 0.0)
    d, n = model.d_model, model.heads
    for layer in range(model.layers):
        if (lat := model.latent) is None:
            shapes = [(d, n * 8), (d, model.kv_heads * 8), (d, model.kv_heads * 8), (n * 8, d)]
            wide = 16
        else:
            shapes = [(d, lat.q_rank), (lat.q_rank, n * 12), (d, lat.kv_rank + lat.rope)]
            shapes += [
                (lat.kv_rank, n * lat.nope),
                (lat.kv_rank, n * lat.value),
                (n * lat.value, d),
            ]
            wide = 2 * lat.kv_rank + lat.rope if absorbed else 12 + lat.value
        found["projections"] += sum(2 * new * a * b for a, b in shapes)
        window = model.window if layer < model.windowed_layers else math.inf
        found["attention"] += 2 * n * wide * visible(new, past, window, causal).sum()
        widths, router = [model.ffn], 0
        if model.experts and layer >= model.experts.dense_layers:
            widths, router = [24, 24, 24], 8  # two chosen, one shared
        found["mlp"] += sum(6 * new * d * width for width in widths) + 2 * new * d * router
    return found


@settings(max_examples=60)
@given(
    st.sampled_from(MODELS),
    st.integers(1, 20),
    st.integers(0, 20),
    st.sampled_from(["exact", "half", "full"]),
)
def test_a_prefill(model, new, past, causal):
    found = model.flops(prefill=new, context=past, conventions=Conventions(causal=causal))
    for name, value in spelled_out(model, new, past, causal).items():
        assert getattr(found, name) == value
    assert found.logits == 2 * new * 32 * 100
    twice = model.flops(prefill=new, context=past, batch=2, conventions=Conventions(causal=causal))
    assert twice.total == 2 * found.total
    macs = model.flops(
        prefill=new, context=past, conventions=Conventions(causal=causal, unit="mac")
    )
    assert 2 * macs.total == found.total


@settings(max_examples=40)
@given(st.sampled_from(MODELS), st.integers(1, 12), st.integers(0, 20))
def test_decoding(model, new, past):
    found = model.flops(decode=new, context=past)
    for name in ("projections", "attention", "mlp"):
        each = [spelled_out(model, 1, past + i, "exact", absorbed=True)[name] for i in range(new)]
        assert getattr(found, name) == sum(each)
    both = model.flops(prefill=7, decode=new, context=past)
    assert both == model.flops(prefill=7, context=past) + model.flops(decode=new, context=past + 7)


@settings(max_examples=40)
@given(
    st.sampled_from(MODELS),
    st.integers(1, 15),
    st.integers(0, 12),
    st.sampled_from(["exact", "half", "full"]),
)
def test_generation_without_a_cache_is_the_sum_of_its_passes(model, tokens, prompt, causal):
    by = Conventions(causal=causal)
    made = model.generate(tokens, prompt=prompt, conventions=by)
    passes = [model.flops(prefill=prompt + 1 + i, conventions=by).total for i in range(tokens)]
    assert made.naive.total == sum(passes)
    cached = model.flops(prefill=prompt, decode=tokens, conventions=by)
    assert made.cached == cached
    assert made.ratio == Fraction(sum(passes), cached.total)


@settings(max_examples=80)
@given(
    st.integers(1, 400),
    st.integers(0, 3),
    st.integers(8, 512),
    st.sampled_from(["exact", "half", "full"]),
)
def test_crossovers_are_where_the_counts_cross(window, windowed, ffn, causal):
    model = replace(SMALL, window=window, windowed_layers=windowed, ffn=ffn)
    by = Conventions(causal=causal)
    lengths = model.crossover(by)
    for length, others in (
        (lengths.qkvo, ["projections"]),
        (lengths.layer, ["projections", "mlp"]),
    ):
        for n, ahead in (
            (math.floor(length * 0.999) if length < 1e9 else 10**6, False),
            (math.ceil(length * 1.001) if length < 1e9 else 0, True),
        ):
            if n >= 1 and abs(n - length) > 1e-6 * n:
                counted = model.flops(prefill=n, conventions=by)
                assert (counted.attention > sum(getattr(counted, o) for o in others)) == ahead


def test_elementwise_operations_are_few():
    for model in MODELS:
        plain = model.flops(prefill=10)
        all_of_it = model.flops(prefill=10, conventions=Conventions(elementwise=True))
        assert plain.elementwise == 0 < all_of_it.elementwise < plain.total
        assert all_of_it.total - all_of_it.elementwise == plain.total
        no_norms = Conventions(elementwise=True, norms=False)
        assert model.flops(prefill=10, conventions=no_norms).elementwise < all_of_it.elementwise


def test_cache_of_every_kind():
    assert SMALL.kv_bytes() == 2 * 3 * 2 * 8 * 2
    assert SMALL.kv_bytes(7, batch=3, bits=8) == 7 * 3 * 96
    assert MIXED.kv_bytes(100) == 32 * 2 * (100 + 2 * 5)
    assert LATENT.kv_bytes() == 3 * (10 + 4) * 2
    assert replace(SMALL, kv_heads=1).kv_bytes() == SMALL.kv_bytes() // 2  # multi-query
    assert SMALL.kv_bytes(1, bits=4.5) == 54


def test_experts_that_a_step_reads():
    """Few tokens read their own experts, many read all: E (1 - (1 - k / E)^t)."""
    counted = SPARSE.params()
    assert counted.total - counted.active == 2 * 6 * 3 * 32 * 24
    without = counted.active - counted.embedding
    assert weights_read(SPARSE, 1, Conventions()) == without
    assert weights_read(SPARSE, 1000, Conventions()) == pytest.approx(
        counted.total - counted.embedding
    )
    rng = np.random.default_rng(1)
    chosen = [
        len({*np.concatenate([rng.permutation(8)[:2] for _ in range(5)])}) for _ in range(4000)
    ]
    # false alarm < 1e-6: 5 sigma of a mean of 4,000 counts whose deviation is below 1.1
    touched = 8 * (1 - (6 / 8) ** 5)
    assert np.mean(chosen) == pytest.approx(touched, abs=5 * 1.1 / math.sqrt(4000))
    read = weights_read(SPARSE, 5, Conventions())
    assert read == pytest.approx(without + (touched - 2) * 2 * 3 * 32 * 24)


def test_a_tied_embedding_is_read_once_and_an_untied_one_not():
    one = weights_read(replace(SMALL, tied=True), 1, Conventions())
    assert one == weights_read(SMALL, 1, Conventions()) == SMALL.params().total - 3200


CHIP = Chip("chip", {"f": 1e12, "half": 2e12}, 1e11, 1e9, link=1e10, link_latency=1e-6)


@settings(max_examples=60)
@given(*[st.floats(0, 1e13)] * 4, st.floats(0, 1e10), st.integers(0, 9), st.integers(1, 9))
def test_bounds_of_a_step(flops, weights, attention, cache, sent, messages, chips):
    step = Step.on(
        CHIP,
        chips,
        flops=flops,
        weight_bytes=weights,
        attention_flops=attention,
        cache_bytes=cache,
        link_bytes=sent,
        messages=messages,
    )
    low, mid, high = step.interval
    assert low <= mid * (1 + 1e-12) <= high * (1 + 1e-12) <= 3 * low * (1 + 1e-9)
    assert getattr(step, step.bound) == max(vars(step).values())


def test_a_plan():
    plan = SMALL.serve(CHIP, 4, 100, 2.0, chips=2)
    assert plan.weight_bytes == 2 * SMALL.params().total
    assert plan.cache_bytes == 4 * SMALL.kv_bytes(100)
    assert plan.largest_batch == (2e9 - plan.weight_bytes) // SMALL.kv_bytes(100)
    assert plan.fits
    low, mid, high = plan.tokens_per_second
    assert (low, mid, high) == tuple(4 / t for t in reversed(plan.per_token))
    assert plan.tokens_per_dollar.mid == pytest.approx(mid * 3600 / (2 * 2.0))
    assert SMALL.serve(CHIP, 4, 100).tokens_per_dollar is None
    assert plan.decode.link == pytest.approx(4 * 3 * 1e-6)
    assert plan.first_token.mid == plan.prefill.mid
    assert "bound by" in str(plan)
    assert "a million" in str(plan)
    assert plan.as_dict()["decode"]["bound"] == plan.decode.bound
    four = SMALL.serve(CHIP, 4, 100, chips=4)  # two heads of keys: each is held by two chips
    assert four.cache_bytes == 2 * plan.cache_bytes
    assert LATENT.serve(CHIP, 1, 100, chips=4).cache_bytes == 4 * LATENT.kv_bytes(100)


def test_a_wall():
    big = Transformer.from_config("llama-3-70b").serve("h100", 1, 8192)
    assert (big.largest_batch, big.fits) == (0, False)
    assert "does not fit" in str(big)
    eight = Transformer.from_config("llama-3-70b").serve("h100", 64, 8192, chips=8)
    most = eight.largest_batch
    held = 2 * 70_553_706_496 + most * Transformer.from_config("llama-3-70b").kv_bytes(8192)
    assert held <= 8 * 80e9 < held + 327_680 * 8192


@pytest.mark.parametrize("model", [SMALL, MIXED, LATENT])
def test_calibration_finds_the_chip_again(model):
    """A chip that does 41 % of its arithmetic and 73 % of its bandwidth, from two of its times."""
    large = replace(model, d_model=512, ffn=2048, layers=8, windowed_layers=4 * (model is MIXED))
    true = CHIPS["h100"].scaled(0.41, 0.73)
    first = large.serve(true, 1, 4000).first_token.mid
    each = large.serve(true, 8, 1000).per_token.mid
    found = large.calibrate("h100", prefill=(4000, first), decode=(1000, each), batch=8)
    assert found.rate() == pytest.approx(true.rate(), rel=1e-6)
    assert found.bandwidth == pytest.approx(true.bandwidth, rel=1e-6)


def test_calibration_that_contradicts_itself():
    model = Transformer.from_config("llama-3-8b")
    with pytest.raises(ValueError, match=r"the prefill took .* less than the other resource alone"):
        model.calibrate("h100", prefill=(512, 1e-3), decode=(1000, 0.5))
    with pytest.raises(ValueError, match="seconds of the decode must be above 0"):
        model.calibrate("h100", prefill=(512, 1e-3), decode=(1000, 0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SMALL.flops(), "say how many tokens"),
        (lambda: SMALL.flops(train=5, prefill=5), "training has neither"),
        (lambda: SMALL.flops(prefill=1.5), "prefill must be a whole number of tokens, not 1.5"),
        (lambda: SMALL.flops(prefill=-1), "prefill must be"),
        (lambda: SMALL.flops(prefill=1, batch=0), "batch must be a whole number above 0"),
        (lambda: SMALL.kv_bytes(-1), "tokens must be a whole number"),
        (lambda: SMALL.kv_bytes(bits=0), "bits must lie between"),
        (lambda: SMALL.generate(0), "tokens must be a whole number of at least 1"),
        (lambda: SMALL.serve("h1000"), "'h1000' is none of a100-40g, a100, h100"),
        (lambda: SMALL.serve("h100", 0), "batch must be a whole number above 0"),
        (lambda: SMALL.serve("h100", math="fp1"), "h100 has no 'fp1'; it has bf16"),
        (lambda: SMALL.serve("h100", price_per_hour=0), "price_per_hour must be above 0"),
        (lambda: SMALL.serve(replace(CHIP, link=0), chips=2), "has no link"),
        (lambda: Chip("x", {}, 1, 1), "at least one kind of arithmetic"),
        (lambda: Chip("x", {"f": 0}, 1, 1), "f of x must be above 0"),
        (lambda: Chip("x", {"f": 1}, 1, 0), "memory must be above 0"),
        (lambda: Conventions(causal="none"), "causal must be one of exact, half, full"),
        (lambda: replace(SMALL, layers=0), "layers must be a whole number above 0"),
        (lambda: replace(SMALL, windowed_layers=4), "windowed_layers must lie between 0 and 3"),
        (lambda: replace(SMALL, windowed_layers=1), "need a window"),
        (lambda: Step.on(CHIP, flops=-1), "flops must be at least 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
