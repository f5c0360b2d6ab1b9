"""Configurations of every family against the parameters that their checkpoints have."""

import json

import pytest

from costs import Transformer
from costs.llm.presets import PRESETS


def shape(layers, hidden, heads, kv_heads, ffn, vocab, **more):
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": ffn,
        "vocab_size": vocab,
        **more,
    }


CHECKPOINTS = {  # parameters as the published checkpoints have them
    "gpt2": (PRESETS["gpt2"], 124_439_808),
    "llama-3-8b": (PRESETS["llama-3-8b"], 8_030_261_248),
    "llama-3-70b": (PRESETS["llama-3-70b"], 70_553_706_496),
    "mistral-7b": (PRESETS["mistral-7b"], 7_241_732_096),
    "mixtral-8x7b": (PRESETS["mixtral-8x7b"], 46_702_792_704),
    "deepseek-v3": (PRESETS["deepseek-v3"], 671_026_419_200),
    "opt-125m": (
        shape(12, 768, 12, 12, 3072, 50272, max_position_embeddings=2048, model_type="opt"),
        125_239_296,
    ),
    "gemma-2b": (
        shape(18, 2048, 8, 1, 16384, 256000, head_dim=256, model_type="gemma"),
        2506172416,
    ),
    "gemma-2-9b": (
        shape(42, 3584, 16, 8, 14336, 256000, head_dim=256, model_type="gemma2"),
        9_241_705_984,
    ),
    "qwen2-7b": (shape(28, 3584, 28, 4, 18944, 152064, model_type="qwen2"), 7_615_616_512),
    "qwen3-8b": (
        shape(36, 4096, 32, 8, 12288, 151936, head_dim=128, model_type="qwen3"),
        8_190_735_360,
    ),
    "phi-2": (shape(32, 2560, 32, 32, 10240, 51200, model_type="phi"), 2_779_683_840),
    "pythia-160m": (shape(12, 768, 12, 12, 3072, 50304, model_type="gpt_neox"), 162_322_944),
    "bloom-560m": (
        {"n_layer": 24, "hidden_size": 1024, "n_head": 16, "vocab_size": 250880}
        | {"model_type": "bloom"},
        559_214_592,
    ),
    "falcon-7b": (
        shape(32, 4544, 71, 71, 18176, 65024, model_type="falcon", multi_query=True, bias=False)
        | {"parallel_attn": True, "new_decoder_architecture": False},
        6_921_720_704,
    ),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_parameters_of_checkpoints(name):
    config, parameters = CHECKPOINTS[name]
    assert Transformer.from_config(config).params().total == parameters


def test_a_file_a_folder_and_a_mapping_are_one(tmp_path):
    config = PRESETS["llama-3-8b"]
    path = tmp_path / "my-model" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps(config))
    models = [Transformer.from_config(source) for source in (path, path.parent, str(path), config)]
    assert len({model.params() for model in models}) == 1
    assert models[0].name == models[1].name == "my-model"


def test_every_known_model_is_read():
    for name in PRESETS:
        assert Transformer.from_config(name.upper()).name == name


def test_windows():
    base = shape(32, 4096, 32, 8, 14336, 32000, sliding_window=4096)
    read = Transformer.from_config
    assert read(base | {"model_type": "mistral"}).windowed_layers == 32
    assert read(base | {"model_type": "mistral", "sliding_window": None}).windowed_layers == 0
    assert read(base | {"model_type": "qwen2", "max_window_layers": 28}).windowed_layers == 0
    used = {"model_type": "qwen2", "max_window_layers": 28, "use_sliding_window": True}
    assert read(base | used).windowed_layers == 4
    assert read(base | {"model_type": "gemma2"}).windowed_layers == 16
    assert read(base | {"model_type": "gemma3_text"}).windowed_layers == 27
    kinds = ["sliding_attention", "full_attention", "full_attention", "full_attention"] * 8
    assert read(base | {"model_type": "gemma2", "layer_types": kinds}).windowed_layers == 8


LLAMA = shape(2, 64, 4, 2, 128, 100, model_type="llama")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "the family 'mamba', which is none of llama"),
        ({"text_config": {}}, "give its `text_config` alone"),
        ({"hidden_size": None}, "has no hidden_size"),
        ({"hidden_size": 64.0}, "hidden_size must be a whole number of at least 1, not 64.0"),
        ({"hidden_size": 63}, "4 heads do not divide a width of 63"),
        ({"num_key_value_heads": 3}, "4 heads do not share 3 of keys evenly"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be a whole number of at least 1"),
        ({"vocab_size": True}, "vocab_size must be a whole number"),
        ({"ssm_state_size": 16}, "has ssm_state_size = 16, which is not known here and may"),
        ({"attention_chunk_size": 8192}, "attention_chunk_size"),
        ({"word_embed_proj_dim": 32}, "an embedding of another width"),
        ({"n_routed_experts": 4, "num_experts_per_tok": 5}, "5 of 4 experts cannot be active"),
        (
            {"num_experts": 4, "num_experts_per_tok": 2, "mlp_only_layers": [0]},
            "mlp_only_layers are not modelled",
        ),
        (
            {"num_experts": 4, "num_experts_per_tok": 2, "decoder_sparse_step": 2},
            "experts in some layers alone",
        ),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Transformer.from_config(LLAMA | change)


def test_what_costs_nothing_is_let_pass():
    extra = {"rope_theta": 1e6, "torch_dtype": "bfloat16", "hidden_act": "silu", "bos_token_id": 1}
    extra |= {"rms_norm_eps": 1e-6, "attention_dropout": 0.1, "use_mrope": False, "conv_bias": None}
    plain, with_extra = (Transformer.from_config(LLAMA | more) for more in ({}, extra))
    assert plain == with_extra


def test_what_is_no_configuration(tmp_path):
    with pytest.raises(ValueError, match=r"'llama-9' is neither a file nor one of gpt2, gpt2-xl"):
        Transformer.from_config("llama-9")
    path = tmp_path / "config.json"
    for text, message in (("{", "no JSON that can be read"), ("[1]", "holds no JSON object")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            Transformer.from_config(path)
