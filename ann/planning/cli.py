"""`tractable plan knn`: which vector index, by latency, memory and recall."""

from pathlib import Path

import click
import numpy as np

from costs._command import Duration, Number, on_terminal, refuse, save, show_plan


@click.command()
@click.option("--n", type=Number(), required=True, help="Vectors that the index will hold.")
@click.option("--dim", type=click.IntRange(1), help="Numbers a vector; that of --sample.")
@click.option("--k", type=click.IntRange(1), default=10, show_default=True, help="Neighbours.")
@click.option("--recall", type=click.FloatRange(0, 1), default=0.95, show_default=True)
@click.option("--latency", type=Duration(), default="15ms", show_default=True, help="Of a query.")
@click.option("--memory", metavar="SIZE", default="8GB", show_default=True)
@click.option("--sample", type=click.Path(exists=True, dir_okay=False), help="Rows, as .npy.")
@click.option("--queries", type=click.Path(exists=True, dir_okay=False), help="Queries, as .npy.")
@click.option(
    "--machine", "stored", type=click.Path(exists=True, dir_okay=False), help="Stored JSON."
)
@click.option("--updates", type=click.FloatRange(0), default=0.0, help="Vectors added a second.")
@click.option("--price", type=Number(), help="Of the machine per hour.")
@click.option("--metric", type=click.Choice(["l2", "ip", "cosine"]), default="l2")
@click.option(
    "--dtype", type=click.Choice(["float32", "float16", "uint8", "int8"]), default="float32"
)
@click.option("--plot", type=click.Path(dir_okay=False), help="Write a picture (.svg, .png).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def knn(
    n: float,
    dim: int | None,
    k: int,
    recall: float,
    latency: float,
    memory: str,
    sample: str | None,
    queries: str | None,
    stored: str | None,
    updates: float,
    price: float | None,
    metric: str,
    dtype: str,
    plot: str | None,
    as_json: bool,
) -> None:
    """Choose a vector index before building it.

    With a --sample of the data times, bytes and recall are measured on it; without one, recall is
    that of SIFT descriptors.
    """
    from ann.planning import plan
    from ann.planning.knn import MACHINE_S
    from costs.machine import Machine

    try:
        rows, asked = (None if path is None else _array(path) for path in (sample, queries))
        if dim is None:
            if rows is None:
                raise click.UsageError("say --dim, or give a --sample")
            dim = rows.shape[-1]
        machine = (
            Machine.load(stored)
            if stored
            else Machine.measure(MACHINE_S, progress=on_terminal("measure"))
        )
        found = plan(
            n,
            dim,
            k,
            recall=recall,
            latency_ms=latency * 1e3,
            memory=memory,
            machine=machine,
            sample=rows,
            queries=asked,
            updates_per_s=updates,
            price_per_hour=price,
            metric=metric,
            dtype=dtype,
        )
        if plot:
            save(found.plot(), plot)
    except (ValueError, ImportError) as error:
        raise refuse(error) from error
    show_plan(found, as_json)


def _array(path: str) -> "np.ndarray":
    try:
        return np.asarray(np.load(Path(path), mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no array of numpy: {error}") from None
