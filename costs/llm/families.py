"""From a Hugging Face ``config.json`` to the shape of a transformer.

Families differ in names of the same numbers, in defaults that a file leaves out, and in what has
a bias or a norm. A key that is not known here is let pass only if its name says that it costs
nothing; one that may (a count, a width, a rank) is refused: better none than a wrong figure.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from costs.llm.architecture import Experts, Latent, Transformer

# names of one number, of which the first that is there counts
NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "d_model": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "head_dim": ("head_dim",),
    "ffn": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
    "vocab": ("vocab_size",),
    "context": ("max_position_embeddings", "n_positions", "seq_length", "n_ctx"),
}
EXPERTS = ("num_local_experts", "n_routed_experts", "num_experts")
PATTERN = ("sliding_window_pattern", "_sliding_window_pattern")
ACTIVE = ("num_experts_per_tok", "moe_topk")

_ALL = {"qkv_bias": True, "out_bias": True, "mlp_bias": True, "norm_bias": True, "gated": False}
# what a family has where its file does not say so
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "mixtral": {},
    "gemma": {"tied": True},
    "gemma2": {"tied": True, "norms": 4, "every_other": 2},
    "gemma3_text": {"tied": True, "norms": 4, "qk_norm": True, "every_other": 6},
    "qwen2": {"qkv_bias": True, "out_bias": False},
    "qwen3": {"qk_norm": True},
    "qwen2_moe": {"qkv_bias": True, "out_bias": False, "shared_gate": True},
    "qwen3_moe": {"qk_norm": True},
    "phi": _ALL | {"norms": 1, "head_bias": True},
    "phi3": {},
    "gpt2": _ALL | {"tied": True, "learned": True},
    "gpt_bigcode": _ALL | {"tied": True, "learned": True},
    "gpt_neox": _ALL,
    "gptj": _ALL | {"norms": 1, "qkv_bias": False, "out_bias": False, "head_bias": True},
    "opt": _ALL | {"tied": True, "learned": True, "offset": 2},
    "bloom": _ALL | {"tied": True, "extra_norms": 2},
    "falcon": {"tied": True, "gated": False, "norm_bias": True, "norms": 1},
    "starcoder2": _ALL | {"tied": True},
    "cohere": {"tied": True, "norms": 1},
    "cohere2": {"tied": True, "norms": 1, "every_other": 4},
    "granite": {"tied": True},
    "smollm3": {"tied": True},
    "stablelm": {"norm_bias": True, "out_bias": False},
    "deepseek_v2": {},
    "deepseek_v3": {},
}
# words in the names of keys that change nothing that is counted here
HARMLESS = re.compile(
    r"_name_or_path|architectures|auto_map|dtype|transformers_version|use_cache|token_id|_ids?$|drop"
    r"|initializer|rope|rotary|activation|(^|_)act(_|$)|eps(ilon)?$|softcap|theta|loss|label|torch"
    r"|scoring|scal(e|ing)|topk_|norm_topk|flash|_implementation|softmax|alibi|upcast|reorder|coef"
    r"|multiplier|pretraining_tp|problem_type|max_length|beam|return_|output_|summary_|task_|parallel"
    r"|n_group|query_pre_attn|quantization|seq_aux|ep_size|slow_but_exact|interleave|final_layer_norm"
    r"|do_layer_norm_before|layer_norm_elementwise|norm_type|nextn_predict|original_max_position"
)
COSTLY = re.compile(
    r"num_|n_|_num|size|dim|rank|head|layer|expert|window|width|depth|inter|hidden|ffn|mlp|attn"
    r"|attention|bias|tie|ssm|conv|state|sparse|embed|kv|lora|block|moe|chunk|norm|freq|vision|audio"
)


def read(source: str | Path | Mapping[str, Any]) -> Transformer:
    """See `Transformer.from_config`."""
    if isinstance(source, Mapping):
        return _Config(dict(source), "the configuration").transformer()
    from costs.llm.presets import PRESETS

    name = str(source)
    if name.lower() in PRESETS:
        return _Config(dict(PRESETS[name.lower()]), name.lower()).transformer()
    path = Path(source)
    if path.is_dir():
        path /= "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(PRESETS)
        raise ValueError(f"{name!r} is neither a file nor one of {known}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no JSON that can be read: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return _Config(found, str(path)).transformer()


class _Config:
    """One configuration, whose keys are ticked off as they are used."""

    def __init__(self, values: dict[str, Any], origin: str) -> None:
        self.values, self.origin = values, origin
        self.used = {"model_type"}
        family = values.get("model_type")
        if "text_config" in values:
            raise ValueError(f"{origin} has more than a text model: give its `text_config` alone")
        if family not in FAMILIES:
            raise ValueError(
                f"{origin} is of the family {family!r}, which is none of {', '.join(FAMILIES)}; "
                "a costs.Transformer can be made from its numbers"
            )
        self.family, self.usual = str(family), FAMILIES[str(family)]

    def get(self, *names: str, default: Any = None) -> Any:
        """The value of the first key that is there and not null."""
        self.used.update(names)
        return next((self.values[n] for n in names if self.values.get(n) is not None), default)

    def whole(self, *names: str, default: int | None = None, least: int = 1) -> int:
        found = self.get(*names, default=default)
        if found is None:
            raise ValueError(f"{self.origin} has no {names[0]}")
        if not isinstance(found, int) or isinstance(found, bool) or found < least:
            raise ValueError(
                f"{self.origin}: {names[0]} must be a whole number of at least {least}, "
                f"not {found!r}"
            )
        return found

    def yes(self, *names: str, default: str) -> bool:
        return bool(self.get(*names, default=self.usual.get(default, False)))

    def transformer(self) -> Transformer:
        d = self.whole(*NAMES["d_model"])
        if self.get("word_embed_proj_dim", default=d) != d:
            raise ValueError(f"{self.origin}: an embedding of another width is not modelled")
        layers, heads = self.whole(*NAMES["layers"]), self.whole(*NAMES["heads"])
        latent = self.latent()
        if latent is None and "head_dim" not in self.values and d % heads:
            raise ValueError(f"{self.origin}: {heads} heads do not divide a width of {d}")
        context = self.whole(*NAMES["context"], default=0, least=0)
        learned = self.usual.get("learned", False)
        window, windowed = self.windows(layers)
        biased = ("attention_bias", "qkv_bias", "use_qkv_bias", "enable_bias", "use_bias", "bias")
        qkv_bias = self.yes(*biased, default="qkv_bias")
        experts = self.experts(layers)
        model = Transformer(
            name=Path(self.origin).parent.name if self.origin.endswith(".json") else self.origin,
            layers=layers,
            d_model=d,
            heads=heads,
            kv_heads=self.kv_heads(heads, latent),
            head_dim=self.whole(*NAMES["head_dim"], default=latent.nope if latent else d // heads),
            ffn=self.whole(*NAMES["ffn"], default=4 * d),
            vocab=self.whole(*NAMES["vocab"]),
            gated=self.usual.get("gated", True),
            tied=self.yes("tie_word_embeddings", default="tied"),
            context=context,
            positions=context + self.usual.get("offset", 0) if learned else 0,
            norms=self.norms(),
            extra_norms=self.usual.get("extra_norms", 1),
            norm_bias=self.usual.get("norm_bias", False),
            qk_norm=self.yes("use_qk_norm", "qk_layernorm", default="qk_norm"),
            qkv_bias=qkv_bias,
            out_bias=self.usual.get("out_bias", qkv_bias),
            mlp_bias=self.yes("mlp_bias", *biased[3:], default="mlp_bias"),
            head_bias=self.usual.get("head_bias", False),
            window=window,
            windowed_layers=windowed,
            latent=latent,
            experts=experts,
        )
        self.refuse_unknown()
        return model

    def kv_heads(self, heads: int, latent: Latent | None) -> int:
        grouped = self.get(*NAMES["kv_heads"], default=heads)
        one = self.get("multi_query", default=self.family in ("gpt_bigcode", "falcon"))
        newer = self.get("new_decoder_architecture", default=False)
        if latent:
            return heads
        if self.family in ("gpt_bigcode", "falcon") and one and not newer:
            return 1
        return self.whole(*NAMES["kv_heads"], default=grouped)

    def norms(self) -> int:
        if self.family == "falcon" and self.get("new_decoder_architecture", default=False):
            return 2
        return int(self.usual.get("norms", 2))

    def windows(self, layers: int) -> tuple[int, int]:
        """The window, and how many layers have it."""
        window = self.whole("sliding_window", default=0, least=0)
        used = self.get("use_sliding_window", default=not self.family.startswith("qwen"))
        kinds = self.get("layer_types")
        every = self.whole(*PATTERN, default=self.usual.get("every_other", 1))
        first = self.get("max_window_layers", default=0)
        if not (window and used):
            return 0, 0
        if kinds is not None:
            return window, sum(kind == "sliding_attention" for kind in kinds)
        if every > 1:  # each of so many has none
            return window, layers - layers // every
        return window, layers - first if self.family.startswith("qwen") else layers

    def latent(self) -> Latent | None:
        names = ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        if self.get("kv_lora_rank") is None:
            return None
        rank, nope, rope, value = (self.whole(name) for name in names)
        self.get("qk_head_dim")
        return Latent(self.whole("q_lora_rank", default=0, least=0), rank, nope, rope, value)

    def experts(self, layers: int) -> Experts | None:
        if self.get(*EXPERTS) is None:
            return None
        ffn = self.whole("moe_intermediate_size", *NAMES["ffn"])
        if self.get("moe_layer_freq", "decoder_sparse_step", default=1) != 1:
            raise ValueError(f"{self.origin}: experts in some layers alone are not modelled")
        if self.get("mlp_only_layers", default=[]):
            raise ValueError(f"{self.origin}: mlp_only_layers are not modelled")
        shared = self.whole("n_shared_experts", default=0, least=0) * ffn
        return Experts(
            count=self.whole(*EXPERTS),
            active=self.whole(*ACTIVE),
            ffn=ffn,
            shared_ffn=self.whole("shared_expert_intermediate_size", default=shared, least=0),
            dense_layers=self.whole("first_k_dense_replace", default=0, least=0),
            shared_gate=self.usual.get("shared_gate", False),
            bias=self.get("topk_method") == "noaux_tc",
        )

    def refuse_unknown(self) -> None:
        for key, value in self.values.items():
            off = value is None or value is False or value == 0 or value in ("", [], {})
            if key not in self.used and not off and not HARMLESS.search(key) and COSTLY.search(key):
                raise ValueError(
                    f"{self.origin} has {key} = {value!r}, which is not known here and may change "
                    "the cost; take it out if it does not"
                )
