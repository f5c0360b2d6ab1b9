"""Near neighbours and near duplicates."""

from ann.bands import choose_bands, s_curve
from ann.lsh import MinHashLSH
from ann.text import TextSketcher, shingle

__all__ = ["MinHashLSH", "TextSketcher", "choose_bands", "s_curve", "shingle"]
