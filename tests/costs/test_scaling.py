"""The laws of speed-up against published figures: Amdahl's table, the fits of R's package usl."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costs import amdahl, gustafson, karp_flatt, price_per_speedup, usl_fit
from costs._student import student_quantile

# SPEC SDM91 and a ray tracer, as in the vignette and the tests of R's `usl`.
SPEC_N, SPEC_X = (1, 18, 36, 72, 108, 144, 216), (64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775, 1702.2)
RAY_N = (1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64)
RAY_X = (20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310)


def test_five_per_cent_serial_never_passes_twenty():
    published = [1.905, 3.478, 5.926, 9.143, 12.549, 15.422, 17.415, 18.618, 19.284, 19.636]
    assert np.round(amdahl(0.05, 2.0 ** np.arange(1, 11)), 3).tolist() == published
    assert amdahl(0.05, math.inf) == 20
    assert round(amdahl(0.4, 4), 1) == 1.8  # 60 % parallel on four: Oracle's Fortran guide
    assert amdahl(0.4, math.inf) == 2.5
    assert round(amdahl(35 / 50, 2), 3) == 1.176  # 15 of a request's 50 ms on two cores
    assert amdahl(0, math.inf) == math.inf
    assert amdahl(1, 64) == 1


@given(st.floats(0.001, 0.999), st.floats(1.01, 1e6))
def test_karp_flatt_inverts_amdahl(serial, workers):
    assert karp_flatt(amdahl(serial, workers), workers) == pytest.approx(serial, abs=1e-6)


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_gustafson_is_amdahl_in_the_other_clock(serial, workers):
    """The same run seen from one worker: its serial share there is what Amdahl asks for."""
    scaled = gustafson(serial, workers)
    assert amdahl(serial / scaled, workers) == pytest.approx(scaled)


def test_spec_sdm91():
    fit = usl_fit(SPEC_N, SPEC_X, law="usl")
    assert round(fit.alpha, 7) == 0.0277285
    assert round(fit.stderr[0], 4) == 0.0091
    assert round(fit.beta, 7) == 1.044e-4
    assert round(fit.stderr[1], 6) == 2.0e-5
    assert round(fit.gamma, 3) == 89.995
    assert round(fit.residual, 2) == 82.85
    assert round(fit.peak.workers, 4) == 96.5196
    assert round(fit.peak.throughput) == 1884
    assert round(fit.limit, 3) == 3245.589
    assert round(fit.optimal, 3) == 36.064


def test_a_peak_seen_in_six_points_is_refuted_by_eleven():
    six = usl_fit(RAY_N[:6], RAY_X[:6], law="usl")
    assert (round(six.alpha, 5), round(six.beta, 5), round(six.gamma, 3)) == (
        0.02444,
        0.00163,
        20.856,
    )
    assert round(math.sqrt((1 - six.alpha) / six.beta), 1) == 24.5
    assert six.peak is None  # it lies beyond the 20 workers that were measured
    # R's package prints [.0075, .0414]: the 95 % quantile, one-sided, for 5 degrees of freedom
    half = student_quantile(0.95, 5) * six.stderr[0]
    assert (round(six.alpha - half, 4), round(six.alpha + half, 4)) == (0.0075, 0.0414)
    assert usl_fit(RAY_N[:6], RAY_X[:6]).law == "amdahl"
    eleven = usl_fit(RAY_N, RAY_X, law="usl")
    assert (eleven.beta, round(eleven.alpha, 4), round(eleven.limit)) == (0, 0.0578, 378)
    assert usl_fit(RAY_N, RAY_X).law == "amdahl"


def test_throughput_that_falls():
    """Amdahl's law has contention 1 at most, which gains nothing; falling is coherence."""
    workers = np.array([1, 2, 4, 8])
    flat = usl_fit(workers, [100, 90, 70, 45], law="amdahl")
    assert (flat.alpha, flat.beta, flat.stderr[0]) == (1, 0, 0)
    assert flat.gamma == pytest.approx(76.25)  # the mean: the same for any number of workers
    assert flat.limit == flat.gamma
    fit = usl_fit(workers, 100 / (1 + 0.2 * (workers - 1)))
    assert (fit.law, round(fit.alpha, 9)) == ("usl", 1)
    assert fit.beta == pytest.approx(0.2)
    assert fit.peak is None  # one worker is best
    assert fit.speedup(8) == pytest.approx(1 / 2.4)
    two = usl_fit([1, 2], [100, 50])
    assert (two.law, two.alpha, two.gamma) == ("amdahl", 1, 75)
    many = np.arange(1.0, 13)
    assert usl_fit(many, 100 / (1 + 0.2 * (many - 1))).law == "usl"
    noisy = 100 * np.exp(np.random.default_rng(2).normal(0, 0.01, len(many)))
    assert usl_fit(many, noisy).law == "amdahl"  # as good as constant


def test_the_criterion_takes_the_universal_law_where_the_data_bear_it():
    n = np.arange(1, 33)
    x = 10 * n / (1 + 0.05 * (n - 1) + 0.002 * n * (n - 1))
    noisy = x * np.exp(np.random.default_rng(1).normal(0, 0.02, len(n)))
    fit = usl_fit(n, noisy)
    assert fit.law == "usl"
    assert fit.peak.workers == pytest.approx(math.sqrt(0.95 / 0.002), rel=0.1)
    assert usl_fit(n, x).beta == pytest.approx(0.002)


def test_intervals_cover():
    """95 % intervals over 400 seeds. False alarm < 1e-5: covering as rarely as 91 % is 4 sigma."""
    rng, n, truth = np.random.default_rng(7), np.arange(1, 25.0), (0.05, 0.002, 10.0)
    clean = truth[2] * n / (1 + truth[0] * (n - 1) + truth[1] * n * (n - 1))
    hits = np.zeros(3)
    for _ in range(400):
        fit = usl_fit(n, clean + rng.normal(0, 1, len(n)), law="usl")
        for i, name in enumerate(("alpha", "beta", "gamma")):
            low, _, high = fit.interval(name)
            hits[i] += low <= truth[i] <= high
    assert (hits / 400 > 0.905).all()


def test_the_worker_who_no_longer_pays():
    price = price_per_speedup(lambda p: amdahl(0.05, p), 0.1, workers=64)
    assert price.stop == 19  # (1 - s) / s: half the ceiling
    assert price.per_speedup[0] == price.marginal[0] == pytest.approx(0.1)
    assert (np.diff(price.marginal) > 0).all()
    picky = price_per_speedup(lambda p: amdahl(0.05, p), 0.1, workers=64, worth=0.2)
    gain = [amdahl(0.05, picky.stop + i) - amdahl(0.05, picky.stop + i - 1) for i in (0, 1)]
    assert gain[0] * 0.2 >= 0.1 > gain[1] * 0.2
    fit = usl_fit(SPEC_N, SPEC_X, law="usl")
    assert price_per_speedup(fit.speedup, 1, workers=216, worth=1e9).stop == 97  # not past the peak
    assert price_per_speedup(lambda p: p, 1, workers=8).stop == 8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: amdahl(1.5, 2), "serial must lie between 0 and 1"),
        (lambda: amdahl(math.nan, 2), "serial must be at least 0, not nan"),
        (lambda: amdahl(0.5, 0), "workers must be at least 1"),
        (lambda: amdahl(0.5, math.nan), "workers must be at least 1"),
        (lambda: karp_flatt(2, 1), "above 1"),
        (lambda: karp_flatt(0, 2), "speedup must be above 0"),
        (lambda: usl_fit([1, 2], [1, 2], law="usl"), "2 distinct n; a fit needs at least 3"),
        (lambda: usl_fit([2, 2], [1, 2]), "1 distinct n"),
        (lambda: usl_fit([1, 2, 3], [1, 2]), "n has 3 entries, x has 2"),
        (lambda: usl_fit([0.5, 2, 3], [1, 2, 3]), "at least 1"),
        (lambda: usl_fit([1, 2, 3], [1, -2, 3]), "x must be finite and above 0; entry 1 is -2"),
        (lambda: usl_fit([1, 2, 3], [1, math.nan, 3]), "entry 1 is nan"),
        (lambda: usl_fit([1, 2, 3], [1, 2, 3], law="linear"), "law must be"),
        (
            lambda: usl_fit([1, 2, 3], [1, 1.7, 2.1], law="usl").interval("alpha"),
            "no degrees of freed",
        ),
        (lambda: usl_fit(RAY_N, RAY_X).interval("delta"), "no parameter"),
        (lambda: usl_fit(RAY_N, RAY_X).interval("alpha", 1), "strictly between"),
        (lambda: price_per_speedup(lambda p: p, 0, workers=4), "price must be above 0"),
        (lambda: price_per_speedup(lambda p: -p, 1, workers=4), "speedup must be finite and above"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_no_number():
    with pytest.raises(TypeError, match="serial must be a number"):
        amdahl("half", 2)
    with pytest.raises(TypeError, match="x must be numbers"):
        usl_fit([1, 2, 3], ["a", "b", "c"])


def test_known_quantiles():
    """Tables of Student's t."""
    known = {(0.975, 1): 12.7062, (0.975, 3): 3.1824, (0.95, 5): 2.0150, (0.995, 30): 2.7500}
    for (p, freedom), value in known.items():
        assert round(student_quantile(p, freedom), 4) == value
        assert student_quantile(1 - p, freedom) == pytest.approx(-value, abs=1e-4)
    assert student_quantile(0.975, math.inf) == pytest.approx(1.959964, abs=1e-6)
