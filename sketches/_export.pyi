from typing import Any

from numpy.typing import NDArray

class Column:
    def __init__(
        self, name: str, form: str, buffers: list[NDArray[Any] | None], nulls: int = 0
    ) -> None: ...

class Batch:
    def __init__(self, columns: list[Column], n: int) -> None: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
