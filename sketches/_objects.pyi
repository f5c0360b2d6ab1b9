from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class Objects:
    def __new__(cls, items: object) -> Self: ...
