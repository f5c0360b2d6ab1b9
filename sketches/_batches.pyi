from numpy.typing import ArrayLike

class Weights:
    def __new__(cls, weights: ArrayLike | None, negative: bool, name: str) -> Weights: ...

class Answers:
    def __new__(cls, per: int = 1) -> Answers: ...
