"""What all mergeable sketches say alike, by their own `merge`, `copy`, `to_bytes`, `from_bytes`."""


cdef class Sketch:
    """A summary of a stream that merges with those of other streams."""

    _alike = ()  # attributes that two sketches must share to be merged or compared

    def _check_same(self, other):
        """Refuses what cannot be merged or compared with this."""
        name = type(self).__name__
        if type(other) is not type(self):
            raise TypeError(f"expected a {name}, not {type(other).__name__}")
        for field in self._alike:
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise ValueError(f"{field} differs: {mine!r} here, {theirs!r} there")

    def __ior__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        self.merge(other)
        return self

    def __or__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        union = self.copy()
        union.merge(other)
        return union

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return type(self).from_bytes, (self.to_bytes(),)

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None
