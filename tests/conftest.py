import pytest

from sketches import _cpu


@pytest.fixture(autouse=True)
def _same_isa_afterwards():
    """Whatever levels a test goes through, the next one finds that of TRACTABLE_ISA again."""
    before = _cpu.isa()
    yield
    _cpu.set_isa(before)


@pytest.fixture(params=_cpu.available())
def isa(request):
    """Runs a test at every instruction-set level of this machine."""
    _cpu.set_isa(request.param)
    return request.param
