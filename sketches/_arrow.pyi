from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class ArrowChunks:
    def __new__(cls, items: object) -> Self: ...
