"""Known models, as their published configurations have them (what costs nothing is left out)."""

from typing import Any

_LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
}
_LLAMA3: dict[str, Any] = _LLAMA | {"vocab_size": 128256, "max_position_embeddings": 8192}
_GPT2: dict[str, Any] = {"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024}
_OPT: dict[str, Any] = {"model_type": "opt", "vocab_size": 50272, "max_position_embeddings": 2048}


def _shape(layers: int, hidden: int, heads: int, kv_heads: int, ffn: int) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": ffn,
    }


PRESETS: dict[str, dict[str, Any]] = {
    # A. Radford et al., "Language models are unsupervised multitask learners", 2019
    "gpt2": _GPT2 | {"n_layer": 12, "n_embd": 768, "n_head": 12},
    "gpt2-xl": _GPT2 | {"n_layer": 48, "n_embd": 1600, "n_head": 25},
    # T. Brown et al., 2020, arXiv 2005.14165, table 2.1
    "gpt-3": _GPT2 | {"n_layer": 96, "n_embd": 12288, "n_head": 96, "n_positions": 2048},
    # S. Zhang et al., 2022, arXiv 2205.01068, table 1
    "opt-13b": _OPT
    | {
        "num_hidden_layers": 40,
        "hidden_size": 5120,
        "num_attention_heads": 40,
        "ffn_dim": 20480,
    },
    # H. Touvron et al., 2023, arXiv 2302.13971 and 2307.09288; config.json of the checkpoints
    "llama-7b": _LLAMA | _shape(32, 4096, 32, 32, 11008) | {"max_position_embeddings": 2048},
    "llama-2-7b": _LLAMA | _shape(32, 4096, 32, 32, 11008),
    "llama-2-13b": _LLAMA | _shape(40, 5120, 40, 40, 13824),
    "llama-2-70b": _LLAMA | _shape(80, 8192, 64, 8, 28672),
    # A. Dubey et al., 2024, arXiv 2407.21783, table 3
    "llama-3-8b": _LLAMA3 | _shape(32, 4096, 32, 8, 14336),
    "llama-3-70b": _LLAMA3 | _shape(80, 8192, 64, 8, 28672),
    "llama-3.1-405b": _LLAMA3
    | _shape(126, 16384, 128, 8, 53248)
    | {"max_position_embeddings": 131072},
    # A. Jiang et al., 2023 and 2024, arXiv 2310.06825 and 2401.04088
    "mistral-7b": _LLAMA
    | _shape(32, 4096, 32, 8, 14336)
    | {"model_type": "mistral", "sliding_window": 4096, "max_position_embeddings": 32768},
    "mixtral-8x7b": _LLAMA
    | _shape(32, 4096, 32, 8, 14336)
    | {
        "model_type": "mixtral",
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 32768,
    },
    # config.json of c4ai-command-r-v01
    "command-r-35b": _shape(40, 8192, 64, 64, 22528)
    | {"model_type": "cohere", "vocab_size": 256000, "max_position_embeddings": 8192},
    # DeepSeek-AI, 2024, arXiv 2412.19437; config.json of the checkpoint
    "deepseek-v3": _shape(61, 7168, 128, 128, 18432)
    | {
        "model_type": "deepseek_v3",
        "vocab_size": 129280,
        "max_position_embeddings": 163840,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "n_routed_experts": 256,
        "num_experts_per_tok": 8,
        "n_shared_experts": 1,
        "moe_intermediate_size": 2048,
        "first_k_dense_replace": 3,
        "topk_method": "noaux_tc",
    },
}
