"""Parameters of a transformer, by what they are for.

A layer has the matrices of attention, D N H + 2 D K H + N H D for N heads of size H that share K
pairs of keys and values (K = N: multi-head; K = 1: multi-query, N. Shazeer, 2019, arXiv 1911.02150;
between: grouped-query, J. Ainslie et al., 2023, arXiv 2305.13245), and those of the MLP, 2 D F, or
3 D F with a gate (N. Shazeer, 2020, arXiv 2002.05202). Multi-head latent attention (DeepSeek-AI,
2024, arXiv 2405.04434) goes through ranks: D q + q N (n + r) for queries, D (c + r) + c N (n + v)
for keys and values, N v D for the output. Of E experts, `active` work on a token.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from costs.llm.conventions import USUAL, Conventions

if TYPE_CHECKING:
    from costs.llm.architecture import Transformer


@dataclass(frozen=True)
class Parameters:
    """Counts, by purpose.

    Attributes
    ----------
    embedding, positions : int
        Vectors of tokens and of learned positions.
    projections : int
        Matrices of attention: queries, keys, values, output.
    mlp : int
        Matrices of all MLPs and experts; `active_mlp` of those alone that work on a token.
    router : int
    norms, biases : int
    logits : int
        The last matrix; 0 if it is the embedding (tied).
    """

    embedding: int
    positions: int
    projections: int
    mlp: int
    active_mlp: int
    router: int
    norms: int
    biases: int
    logits: int

    @property
    def total(self) -> int:
        """All of them: what memory has to hold."""
        return self.active + self.mlp - self.active_mlp

    @property
    def active(self) -> int:
        """Those that work on one token: `total` unless there are experts."""
        layers = self.projections + self.active_mlp + self.router
        return self.embedding + self.positions + layers + self.norms + self.biases + self.logits


def count(model: "Transformer", conventions: Conventions = USUAL) -> Parameters:
    """See `Transformer.params`."""
    d, layers = model.d_model, model.layers
    experts = model.experts
    sparse = layers - experts.dense_layers if experts else 0
    dense = (layers - sparse) * mlp_matrix(model, model.ffn)
    shared = sparse * mlp_matrix(model, experts.shared_ffn) if experts else 0
    one = mlp_matrix(model, experts.ffn) if experts else 0
    return Parameters(
        embedding=conventions.embeddings * model.vocab * d,
        positions=conventions.embeddings * model.positions * d,
        projections=layers * attention_matrices(model),
        mlp=dense + shared + sparse * one * (experts.count if experts else 0),
        active_mlp=dense + shared + sparse * one * (experts.active if experts else 0),
        router=sparse * d * (experts.count + experts.shared_gate) if experts else 0,
        norms=conventions.norms * _norms(model),
        biases=conventions.biases * _biases(model, sparse),
        logits=(conventions.logits != "none") * (not model.tied) * model.vocab * d,
    )


def attention_matrices(model: "Transformer") -> int:
    """Weights of queries, keys, values and output in one layer."""
    d, n = model.d_model, model.heads
    if (latent := model.latent) is None:
        return 2 * d * model.head_dim * (n + model.kv_heads)
    key = latent.nope + latent.rope
    query = d * latent.q_rank + latent.q_rank * n * key if latent.q_rank else d * n * key
    down = d * (latent.kv_rank + latent.rope)
    return query + down + latent.kv_rank * n * (latent.nope + latent.value) + n * latent.value * d


def mlp_matrix(model: "Transformer", width: int) -> int:
    """Weights of one MLP of a width."""
    return (3 if model.gated else 2) * model.d_model * width


def _norms(model: "Transformer") -> int:
    each = (2 if model.norm_bias else 1) * model.d_model
    found = (model.layers * model.norms + model.extra_norms) * each
    if model.qk_norm:
        found += model.layers * 2 * model.head_dim
    if model.latent:
        found += model.layers * (model.latent.q_rank + model.latent.kv_rank)
    return found


def _biases(model: "Transformer", sparse: int) -> int:
    layer = model.qkv_bias * model.head_dim * (model.heads + 2 * model.kv_heads)
    layer += model.out_bias * model.d_model
    mlp = model.mlp_bias * ((2 if model.gated else 1) * model.ffn + model.d_model)
    router = sparse * model.experts.count * model.experts.bias if model.experts else 0
    return (
        model.layers * layer
        + (model.layers - sparse) * mlp
        + router
        + model.head_bias * model.vocab
    )
