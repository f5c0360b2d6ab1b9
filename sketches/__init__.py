"""One pass over a stream, bounded memory, mergeable: the sketches and the hash they share."""

try:
    from sketches._cpu import isa as _isa  # the one compiled module that every other needs
except ModuleNotFoundError as error:
    if error.name != "sketches._cpu":
        raise
    raise ImportError(
        f"tractable is not built in {__path__[0]}: run `make dev` in that checkout, or "
        "`pip install .` and start Python in another folder"
    ) from None
