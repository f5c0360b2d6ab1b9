"""Run the fenced Python of README.md and docs/ as tests, each file in one namespace; untimed."""

import pytest
from hypothesis import settings
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

pytest_collect_file = Sybil([PythonCodeBlockParser()], pattern="*.md").pytest()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the mark
def pytest_collection_modifyitems(items):
    """Keep the snippets of a file, which build on each other, in one process of pytest-xdist."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
