"""`tractable costs llm`: what it prints, draws and refuses; a broken budget fails."""

import json

import pytest
from click.testing import CliRunner

from costs import Chip, Machine, Transformer
from costs.measuring import Measured
from tractable import main


@pytest.fixture
def command(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)

    def run(*arguments, code=0):
        done = CliRunner().invoke(main, ["costs", "llm", *map(str, arguments)])
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_model_alone(command):
    shown = command("llama-3-8b", "--context", 8192).output
    assert shown.startswith("llama-3-8b: 8.03 G parameters\n")
    assert "from 10,239 tokens on, all of a layer from 53,247" in shown
    assert "131,072 B a token" in shown
    assert "37.55 G of them on a token" in command("deepseek-v3").output


def test_json_says_the_same(command):
    found = json.loads(
        command("llama-3-8b", "--gpu", "h100", "--batch", 32, "--context", 8192, "--json").stdout
    )
    model = Transformer.from_config("llama-3-8b")
    plan = model.serve("h100", 32, 8192)
    assert found["parameters"]["total"] == 8_030_261_248
    assert found["prefill"]["total"] == model.flops(prefill=8192).total
    assert found["crossover"]["qkvo"] == 10_239
    assert found["serve"]["decode"]["mid"] == plan.decode.mid
    assert found["serve"]["largest_batch"] == 59
    assert found["broken"] == []


def test_a_file(command, tmp_path):
    path = tmp_path / "config.json"
    config = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100}
    path.write_text(json.dumps(config))
    assert "parameters" in command(path).output
    path.write_text(json.dumps(config | {"ssm_layers": 3}))
    assert "ssm_layers = 3, which is not known here" in command(path, code=1).output


def test_budgets(command):
    plan = ("llama-3-8b", "--gpu", "h100", "--batch", 32, "--context", 8192)
    command(*plan, "--token-within", "15ms", "--first-within", "1s")
    done = command(*plan, "--token-within", "10ms", "--first-within", "10ms", code=1)
    assert "over budget: each token takes 14.7" in done.output
    assert "over budget: the first token takes 13" in done.output
    done = command("llama-3-70b", "--gpu", "h100", "--json", code=1)
    assert json.loads(done.stdout)["broken"] == ["batch 1 does not fit; 0 would"]
    assert "a million" in command(*plan, "--price", 2.5).output


def test_a_picture(command, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "plan.svg"
    command("mistral-7b", "--gpu", "a100", "--chips", 2, "--plot", path)
    assert path.read_text(encoding="utf-8").lstrip().startswith("<?xml")
    missing = tmp_path / "missing" / "plan.svg"
    assert "cannot write" in command("gpt2", "--gpu", "h100", "--plot", missing, code=1).output


def test_this_machine_is_a_chip(command, monkeypatch):
    def measured(value):
        return Measured(value, value, value)

    machine = Machine(
        name="stated",
        cores=1,
        threads=1,
        isa="baseline",
        caches={"L1": 32768},
        bandwidth={"DRAM": {"read": measured(2e10)}},
        flops={name: measured(value) for name, value in (("vector f32", 9e10), ("blas f32", 7e10))},
        latency={},
        overhead={},
        blas="none",
    )
    chip = Chip.of(machine)
    assert (chip.flops, chip.bandwidth, chip.source) == ({"f32": 7e10}, 2e10, "measured")
    monkeypatch.setattr(Machine, "measure", lambda **_: machine)
    assert "gpt2 on stated" in command("gpt2", "--gpu", "cpu", "--weight-bits", 32).output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("llama-9",), 1, "neither a file nor one of"),
        (("gpt2", "--price", 1), 2, "say on which --gpu"),
        (("gpt2", "--gpu", "h9"), 1, "'h9' is none of a100-40g"),
        (("gpt2", "--gpu", "h100", "--math", "f8"), 1, "h100 has no 'f8'"),
        (("gpt2", "--batch", 0), 2, "Invalid value for '--batch'"),
    ],
)
def test_what_is_refused(command, arguments, code, message):
    assert message in command(*arguments, code=code).output
