"""The measuring loops at every instruction set, stored machines, roofs and what is below them."""

import dataclasses
import json
import math
import sys
import types

import numpy as np
import pytest

import costs
from costs import AboveRoofError, Machine, Measured, Roofline, _measure, host
from costs.measuring import ARITHMETIC, BEYOND, LOOPS


def measured(value):
    return Measured(value, value, value)


def machine(bandwidth, flops=5e10, caches=None, **more):
    """A stated one: bytes a second by level, the same for all loops."""
    return Machine(
        name="stated",
        cores=1,
        threads=1,
        isa="baseline",
        caches=caches or {"L1": 32 << 10, "L2": 1 << 20},
        bandwidth={v: dict.fromkeys(LOOPS, measured(b)) for v, b in bandwidth.items()},
        flops={"vector f64": measured(flops)},
        latency=dict.fromkeys(bandwidth, measured(1e-9)),
        overhead={"numpy call": measured(0.0), "python call": measured(0.0)},
        blas="none",
        **more,
    )


PLAIN = machine({"L1": 200e9, "L2": 100e9, "DRAM": 10e9})


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A quick measurement of this machine, with a small last cache so that it fits anywhere."""
    patch = pytest.MonkeyPatch()
    patch.setattr("costs.host.caches", lambda: {"L1": 32 << 10, "L2": 256 << 10})
    patch.setattr("costs.measuring.SLOT_S", 2e-4)
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield Machine.measure(0.1)
    patch.undo()


class TestLoops:
    @pytest.mark.parametrize("isa", _measure.available())
    @pytest.mark.parametrize("n", [8, 63, 64, 1000])
    def test_every_level_does_what_the_loops_say(self, isa, n):
        """a = 1; a = b; a = b + 3 c, with b = 2 and c = 1: on the first n numbers and no others."""
        buffers = _measure.Buffers(8 * n + 64)
        for loop, result in (("write", 1.0), ("copy", 2.0), ("triad", 5.0), ("read", 5.0)):
            assert buffers.run(loop, isa, 8 * n, 2) > 0
            a, b, c = buffers.values(n + 8)
            assert a == [result] * n + [0.0] * 8
            assert buffers.total == (2 * 5.0 * n if loop == "read" else 0)
            assert (b, c) == ([2.0] * (n + 8), [1.0] * (n + 8))

    @pytest.mark.parametrize("isa", _measure.available())
    @pytest.mark.parametrize("loop", ARITHMETIC)
    def test_arithmetic_counts_what_it_does(self, isa, loop):
        seconds, operations = _measure.arithmetic(loop, isa, 1000)
        assert seconds > 0
        assert operations % (2 * 12 * 1000) == 0
        assert operations <= 2 * 12 * 1000 * 16

    def test_the_chase_visits_every_line(self):
        """A cycle of 4096 lines: no number of steps leaves it, nor meets a line that is no link."""
        buffers = _measure.Buffers(4096 * 64)
        assert buffers.chase(4096 * 64, 10_000) > 0
        assert buffers.chase(2 * 64, 3) >= 0
        buffers.run("write", "baseline", 4096 * 64, 1)  # the links are gone
        assert buffers.chase(4096 * 64, 10_000) > 0

    def test_bad_arguments(self):
        buffers = _measure.Buffers(1024)
        with pytest.raises(ValueError, match="2048 bytes are more than the 1024"):
            buffers.run("read", "baseline", 2048, 1)
        with pytest.raises(ValueError, match="no instruction set 'sse9' here"):
            buffers.run("read", "sse9", 1024, 1)
        with pytest.raises(KeyError):
            buffers.run("scale", "baseline", 1024, 1)
        with pytest.raises(ValueError, match="bytes must lie between"):
            buffers.chase(4096, 1)
        with pytest.raises(ValueError, match="at least 64 bytes"):
            _measure.Buffers(8)
        with pytest.raises(MemoryError, match="no memory for three arrays"):
            _measure.Buffers(1 << 60)

    def test_the_instruction_set_can_be_forced(self, monkeypatch):
        monkeypatch.setenv("TRACTABLE_ISA", "baseline")
        assert _measure.default_isa() == "baseline"
        monkeypatch.setenv("TRACTABLE_ISA", "none such")
        assert _measure.default_isa() == _measure.available()[-1]


class TestMachine:
    def test_a_measurement_is_whole(self, live):
        assert live.levels == ["L1", "L2", "DRAM"]
        for loops in live.bandwidth.values():
            assert set(loops) == set(LOOPS)
            for value in loops.values():
                assert value.best >= value.median >= value.worst > 0
        for value in (*live.latency.values(), *live.overhead.values()):
            assert 0 < value.best <= value.median <= value.worst
        assert set(live.flops) == {*ARITHMETIC.values(), "blas f64", "blas f32"}
        text = str(live)
        for piece in ("DRAM", "Gop/s", "python call", "spread"):
            assert piece in text

    def test_it_is_recalled(self, live):
        assert Machine.measure(30) == live  # at once, or this would take long

    def test_it_is_measured_anew_where_the_store_is_damaged(self, live, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        Machine.measure(0.01)
        (path,) = (tmp_path / "tractable").iterdir()
        path.write_text('{"version": 0}')
        assert Machine.measure(0.01).levels == live.levels
        assert json.loads(path.read_text())["version"] == 2

    def test_threads_together(self, live):
        assert Machine.measure(0.01, threads=2, cache=False).threads == 2

    def test_it_goes_to_a_file_and_back(self, live, tmp_path):
        live.save(tmp_path / "machine.json")
        assert Machine.load(tmp_path / "machine.json") == live
        for content in ('{"version": 2}', "[]", '{"version": 9}'):
            (tmp_path / "other.json").write_text(content)
            with pytest.raises(ValueError, match=r"other\.json"):
                Machine.load(tmp_path / "other.json")

    def test_levels_by_working_set(self):
        assert [PLAIN.level(size) for size in (1, 32 << 10, 33 << 10, 1 << 20, 2 << 20)] == [
            "L1",
            "L1",
            "L2",
            "L2",
            "DRAM",
        ]
        assert PLAIN.seconds(16e9, 0, "DRAM") == pytest.approx(1.6)
        assert PLAIN.seconds(16e9, 8e9, "DRAM") == pytest.approx(2.4)

    def test_a_gpu_by_torch(self, monkeypatch):
        """The calls alone, on a stand-in: no GPU is needed."""

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self):
                pass

            def elapsed_time(self, other):
                return 10.0  # ms for ten

        class Tensor:
            __matmul__ = copy_ = lambda self, other: self

        cuda = types.SimpleNamespace(
            is_available=lambda: True,
            Event=Event,
            synchronize=lambda: None,
            get_device_name=lambda: "stand-in",
        )
        make = lambda *shape, device: Tensor()  # noqa: E731
        fake = types.SimpleNamespace(cuda=cuda, rand=make, empty=make)
        monkeypatch.setitem(sys.modules, "torch", fake)
        found = host.gpu()
        assert found["name"] == "stand-in"
        assert found["flops f32"] == pytest.approx(2 * 4096**3 / 1e-3)
        assert found["bandwidth"] == pytest.approx(8 * 2**28 / 1e-3)
        assert "stand-in" in str(dataclasses.replace(PLAIN, flops=PLAIN.flops, gpu=found))
        fake.cuda.is_available = lambda: False
        assert host.gpu() == {}

    @pytest.mark.parametrize(
        "arguments",
        [
            {"budget_s": 0},
            {"budget_s": 1, "threads": 0},
            {"budget_s": 1, "threads": 1.5},
            {"budget_s": 1, "threads": math.inf},
        ],
    )
    def test_bad_arguments(self, arguments):
        with pytest.raises(ValueError, match="must be"):
            Machine.measure(**arguments)

    def test_main_memory_is_measured_beyond_the_last_cache(self):
        assert BEYOND >= 4  # STREAM's rule


class TestRoofline:
    def test_v100_hierarchical(self):
        """NERSC: GPP on a V100, nw = 1 .. 6, FP64: bound by HBM up to nw = 3, then beyond."""
        v100 = machine(
            {"L1": 14336e9, "L2": 2996.77e9, "DRAM": 828.758e9},
            7068.86e9,
            {"L1": 128 << 10, "L2": 6 << 20},
        )
        roofline = Roofline(v100)
        assert round(roofline.ridge("DRAM"), 2) == 8.53
        intensity = [2.585, 4.739, 6.893, 9.047, 11.086, 13.212]
        rate = [2085.8, 3593.6, 4381.7, 4625.5, 4599.8, 4692.2]
        points = [
            roofline.place(f"nw={i + 1}", i_ * 1e12, 1e12, i_ * 1e12 / (r * 1e9))
            for i, (i_, r) in enumerate(zip(intensity, rate, strict=True))
        ]
        assert [point.bound for point in points] == ["memory"] * 3 + ["compute"] * 3
        # published as 97, 92 and 77 %
        assert [round(100 * point.reached, 1) for point in points[:3]] == [97.4, 91.5, 76.7]

    def test_likwid_xeon(self):
        """E5-2630 v4: 740,729 MF/s of AVX FMA over 100,787 MB/s of loads."""
        xeon = machine({"DRAM": 100_787e6}, 740_729e6)
        assert round(Roofline(xeon).ridge(), 2) == 7.35

    def test_known_intensities(self):
        n = 10_000_000
        roofline = Roofline(PLAIN)
        axpy = roofline.place("axpy", n, 24 * n, 0.1)
        assert round(axpy.intensity, 4) == 0.0417
        assert (axpy.bound, axpy.level) == ("memory", "DRAM")
        assert axpy.reached == pytest.approx(0.24)
        assert str(axpy) == (
            "axpy: 0.1 Gop/s at 0.0417 op/B, bound by DRAM bandwidth; "
            "24% of the roof, 4.2 x to gain"
        )

    def test_the_working_set_chooses_the_level(self):
        roofline = Roofline(PLAIN)
        assert roofline.place("dot", 2e9, 16e9, 0.5, working_set=20_000).level == "L1"
        assert roofline.place("dot", 2e9, 16e9, 0.5, level="L2").roof == pytest.approx(12.5e9)
        with pytest.raises(ValueError, match="no level 'L9'"):
            roofline.place("dot", 1, 1, 1, level="L9")

    def test_a_point_above_the_roof_is_refused(self):
        roofline = Roofline(PLAIN)
        with pytest.raises(
            AboveRoofError, match=r"24 GB/s are more than the 10 of DRAM; count byt"
        ):
            roofline.place("triad", 2e9, 24e9, 1.0)
        with pytest.raises(AboveRoofError, match=r"100 Gop/s are more than the 50 of vector f64"):
            roofline.place("product", 1e11, 1e6, 1.0)
        assert roofline.points == []
        roofline.place("triad", 2e9, 24e9, 2.3)  # within a tenth

    def test_a_point_under_another_arithmetic(self):
        """A hash of 28 operations a key of 8 bytes: under integers it is bound by arithmetic."""
        both = {"vector f64": measured(80e9), "vector i64": measured(20e9)}
        roofline = Roofline(dataclasses.replace(PLAIN, flops=both))
        point = roofline.place("hash", 28e9, 8e9, 2.0, peak="vector i64")
        assert (point.peak, point.bound, point.reached) == ("vector i64", "compute", 0.7)
        assert roofline.place("hash", 28e9, 8e9, 2.0).bound == "memory"
        assert roofline.as_dict()["peak"] == {"vector f64": 80e9, "vector i64": 20e9}
        with pytest.raises(ValueError, match="not 'vector i8'"):
            roofline.place("hash", 28e9, 8e9, 2.0, peak="vector i8")

    def test_bytes_alone(self):
        point = Roofline(PLAIN).place("copy", 0, 16e9, 2)
        assert (point.bound, point.rate) == ("memory", 8e9)
        assert "8 GB/s" in str(point)

    @pytest.mark.parametrize(
        ("numbers", "message"),
        [
            ((-1, 1, 1), "flops must be at least 0"),
            ((1, 0, 1), "bytes must be above 0"),
            ((1, 1, 0), "seconds must be above 0"),
            ((1, 1, math.nan), "seconds must be above 0, not nan"),
            ((1, math.inf, 1), "bytes must be finite"),
            ((math.inf, 1, 1), "flops must be finite"),
            ((1, 1, math.inf), "seconds must be finite"),
            ((1e-300, 1e300, 1), "nothing beside"),
        ],
    )
    def test_bad_points(self, numbers, message):
        with pytest.raises(ValueError, match=message):
            Roofline(PLAIN).place("x", *numbers)
        with pytest.raises(ValueError, match="peak must be one of vector f64"):
            Roofline(PLAIN, peak="tensor")


class TestFusion:
    def test_bytes_of_a_b_c(self):
        """a * b + c: 48 bytes an element, fused 32: 1.5 x where memory is the bound."""
        fusion = Roofline(PLAIN).fuse([np.multiply, np.add], 10_000_000)
        assert (fusion.bytes_unfused, fusion.bytes_fused) == (48 * 10**7, 32 * 10**7)
        assert fusion.gain == pytest.approx(1.5)
        assert "1.50 x predicted from DRAM" in str(fusion)

    def test_with_the_lines_that_stores_bring_in(self):
        """64 bytes against 40, 1.6 x: a store costs twice its bytes."""
        speed = dict.fromkeys(LOOPS, measured(10e9)) | {"triad": measured(7.5e9)}
        stores = dataclasses.replace(PLAIN, bandwidth=PLAIN.bandwidth | {"DRAM": speed})
        assert Roofline(stores).fuse([np.multiply, np.add], 10**7).gain == pytest.approx(1.6)

    def test_arithmetic_is_a_roof_for_both(self):
        slow = machine({"L1": 200e9, "L2": 100e9, "DRAM": 10e9}, 1e7)
        assert Roofline(slow).fuse([np.multiply, np.add], 10**6).gain == pytest.approx(1)

    @pytest.mark.parametrize(
        ("steps", "way"),
        [
            ([np.multiply, np.add], "compiled"),
            ([np.subtract, np.sqrt, np.square, np.divide], "compiled"),
            ([np.negative, np.abs], "compiled"),
            ([np.add, np.maximum], "blocks"),
        ],
    )
    @pytest.mark.parametrize("n", [1, 1000, 100_003])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_both_ways_give_the_same(self, live, steps, way, n, dtype):
        check = Roofline(live).fuse(steps, n, dtype).check(rounds=1)  # raises where they differ
        assert check.unfused_s > 0
        assert check.measured == check.unfused_s / check.fused_s
        assert check.way == way
        assert f"{check.measured:.2f} x measured" in str(check)

    def test_what_the_compiled_loop_has_not_goes_by_blocks(self, live):
        for dtype in (np.float16, np.int64):
            assert Roofline(live).fuse([np.add, np.negative], 100, dtype).check(1).way == "blocks"
        assert Roofline(live).fuse([np.negative] * 17, 100).check(1).way == "blocks"

    @pytest.mark.parametrize("isa", _measure.available())
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("n", [0, 1, 31, 64, 1000])
    def test_the_compiled_loop_rounds_as_numpy_does(self, isa, dtype, n):
        """Every step, at every level, on numbers of any sign and on those that are none."""
        rng = np.random.default_rng(n)
        a, b, c = (rng.standard_normal(n).astype(dtype) for _ in range(3))
        a[: n // 8] = np.resize([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40], n // 8)
        kept, out = a.copy(), np.full(n + 1, 7, dtype)
        with np.errstate(all="ignore"):
            for name in _measure.STEPS:
                step = getattr(np, name)
                operands = [a, b][: step.nin]
                _measure.fused([name], operands, out[:n], isa)
                np.testing.assert_array_equal(out[:n], step(*operands))
            _measure.fused(["multiply", "negative", "add", "sqrt"], [a, b, c], out[:n], isa)
            np.testing.assert_array_equal(out[:n], np.sqrt(-(a * b) + c))
        assert out[n] == 7
        np.testing.assert_array_equal(a, kept)

    def test_bad_arguments_of_the_compiled_loop(self):
        a, isa = np.zeros(8), "baseline"
        for arguments, error in (
            ((["add"], [a], a), ValueError),
            ((["add"], [a, a[:4].copy()], a), ValueError),
            ((["add"], [a, a.astype("f4")], a), ValueError),
            ((["negative"], [a.astype("f2")], a.astype("f2")), ValueError),
            (([], [a], a), ValueError),
            ((["negative"] * 17, [a], a), ValueError),
            ((["cube"], [a], a), KeyError),
            ((["negative"], [a[::2]], a[:4]), (ValueError, BufferError)),
        ):
            with pytest.raises(error):
                _measure.fused(*arguments, isa)

    @pytest.mark.parametrize(
        ("steps", "error", "message"),
        [
            ([np.add], ValueError, "nothing to fuse below 2"),
            ([np.add, np.dot], TypeError, "element-wise numpy.ufunc"),
            ([np.add, np.matmul], TypeError, "element-wise numpy.ufunc"),
            ([np.add, np.modf], TypeError, "of one result"),
        ],
    )
    def test_what_cannot_be_fused(self, steps, error, message):
        with pytest.raises(error, match=message):
            Roofline(PLAIN).fuse(steps, 100)


def test_pictures(live):
    """That they are drawn; docs/pictures/draw.py makes those that people look at."""
    pytest.importorskip("matplotlib")
    n = np.geomspace(100, 1e4, 12).round()
    f, g = costs.fit_times(n, 1e-9 * n**2), costs.fit_times(n, 2e-7 * n)
    assert f.plot().get_xscale() == "log"
    from costs.plots import draw_crossover

    assert "f is cheaper" in draw_crossover(f, g, costs.crossover(f, g)).get_title()
    roofline = Roofline(PLAIN)
    roofline.place("axpy", 1e7, 24e7, 0.1)
    assert any("axpy" in text.get_text() for text in roofline.plot().texts)
    assert costs.usl_fit([1, 2, 4, 8], [10, 19, 34, 55]).plot().get_xlabel() == "workers"
    pipeline = costs.Pipeline()
    with pipeline.stage("x"):
        pass
    assert pipeline.report().plot().get_ylabel() == "% of the time"
