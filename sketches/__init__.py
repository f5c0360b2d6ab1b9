"""One pass over a stream, bounded memory, mergeable: the sketches and the hash they share."""

try:
    import sketches.hashing  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sketches.hashing":
        raise
    raise ImportError(
        f"tractable is not built in {__path__[0]}: run `make dev` in that checkout, or "
        "`pip install .` and start Python in another folder"
    ) from None
