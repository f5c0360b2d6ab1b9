"""`tractable costs llm`: what a transformer costs, and serving it. A broken budget exits with 1."""

from typing import TYPE_CHECKING, Any

import click

from costs._command import Duration, Number, as_json, on_terminal, refuse, save, show

if TYPE_CHECKING:
    from costs.llm.architecture import Transformer
    from costs.llm.chips import Chip

BITS = click.FloatRange(1, 32)


@click.command()
@click.argument("config")
@click.option("--gpu", help="Chip to serve on: a100, h100, h200, b200, tpu-v5e, ... or cpu: this.")
@click.option("--chips", type=click.IntRange(1), default=1, show_default=True, help="Of them.")
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True, help="Sequences.")
@click.option("--context", type=click.IntRange(1), default=1024, show_default=True, help="Tokens.")
@click.option("--prompt", type=click.IntRange(1), help="Tokens before the first one [--context].")
@click.option("--weight-bits", type=BITS, default=16, show_default=True)
@click.option("--cache-bits", type=BITS, default=16, show_default=True)
@click.option("--math", help="Arithmetic of the chip, such as bf16 or fp8.")
@click.option("--price", type=Number(), help="Of a chip per hour.")
@click.option("--first-within", type=Duration(), help="Budget of the first token's estimate.")
@click.option("--token-within", type=Duration(), help="Budget of each further one's.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.svg, .png).")
@as_json
def llm(
    config: str,
    gpu: str | None,
    chips: int,
    batch: int,
    context: int,
    prompt: int | None,
    weight_bits: float,
    cache_bits: float,
    math: str | None,
    price: float | None,
    first_within: float | None,
    token_within: float | None,
    plot: str | None,
    as_json: bool,
) -> None:
    """Parameters, operations, cache and crossover of a transformer; with --gpu, serving it.

    CONFIG is a config.json of Hugging Face, or a known name such as llama-3-8b.
    """
    from costs.llm.architecture import Transformer

    if gpu is None and (price or first_within or token_within or plot):
        raise click.UsageError("--price, --plot and budgets are about serving: say on which --gpu")
    broken = []
    try:
        model = Transformer.from_config(config)
        found, lines = _told(model, batch, context, cache_bits)
        if gpu is not None:
            served = model.serve(
                _chip(gpu),
                batch,
                context,
                price,
                prompt=prompt,
                chips=chips,
                weight_bits=weight_bits,
                cache_bits=cache_bits,
                math=math,
            )
            found |= {"serve": served.as_dict()}
            lines += ["", str(served)]
            if not served.fits:
                broken.append(f"batch {batch:,} does not fit; {served.largest_batch:,} would")
            for name, budget, took in (
                ("the first token", first_within, served.first_token.mid),
                ("each token", token_within, served.per_token.mid),
            ):
                if budget is not None and took > budget:
                    broken.append(f"{name} takes {took * 1e3:.4g} ms, above {budget * 1e3:.4g}")
            if plot:
                save(served.plot(), plot)
    except (ValueError, ImportError) as error:
        raise refuse(error) from error
    show(as_json, found, "\n".join(lines), broken)


def _chip(name: str) -> "str | Chip":
    if name != "cpu":
        return name
    from costs.llm.chips import Chip
    from costs.machine import Machine

    return Chip.of(Machine.measure(progress=on_terminal("measure")))


def _told(
    model: "Transformer", batch: int, context: int, cache_bits: float
) -> tuple[dict[str, Any], list[str]]:
    """What the model costs anywhere."""
    params, lengths = model.params(), model.crossover()
    prefill, decode = model.flops(prefill=context), model.flops(decode=1, context=context - 1)
    made = model.generate(context)
    cached = {
        "a_token": model.kv_bytes(1, bits=cache_bits),
        "all": model.kv_bytes(context, batch=batch, bits=cache_bits),
    }
    active = f", {params.active / 1e9:,.4g} G of them on a token" if model.experts else ""
    lines = [
        f"{model.name}: {params.total / 1e9:,.4g} G parameters{active}",
        "",
        f"operations     {context:,} tokens at once  the last alone, with a cache",
    ]
    for name in ("projections", "attention", "mlp", "logits"):
        a, b = getattr(prefill, name), getattr(decode, name)
        lines.append(
            f"  {name:12} {a / 1e9:11,.5g} G {a / prefill.total:5.1%}"
            f"  {b / 1e9:11,.4g} G {b / decode.total:5.1%}"
        )
    lines += [
        f"  {'total':12} {prefill.total / 1e9:11,.5g} G       {decode.total / 1e9:12,.4g} G",
        f"crossover      attention overtakes its projections from {lengths.qkvo:,.5g} tokens on, "
        f"all of a layer from {lengths.layer:,.5g}",
        f"cache          {cached['a_token']:,} B a token, {cached['all'] / 1e9:,.4g} GB for "
        f"{batch:,} x {context:,} tokens; without it as many, one by one, would take "
        f"{float(made.ratio):,.4g} x the operations",
    ]
    found = {
        "model": model.name,
        "parameters": vars(params) | {"total": params.total, "active": params.active},
        "prefill": prefill.as_dict(),
        "decode": decode.as_dict(),
        "crossover": vars(lengths),
        "cache_bytes": cached,
        "cache_saves": float(made.ratio),
    }
    return found, lines
