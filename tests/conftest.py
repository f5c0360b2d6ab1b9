import pytest

from sketches import _cpu


@pytest.fixture(params=_cpu.available())
def isa(request):
    """Runs a test at every instruction-set level of this machine."""
    before = _cpu.isa()
    _cpu.set_isa(request.param)
    yield request.param
    _cpu.set_isa(before)
