import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def known_orders():
    spec = importlib.util.spec_from_file_location(
        "known_orders", Path(__file__).with_name("known_orders.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
