"""Run the fenced Python of README.md and docs/ as tests, each file in one namespace; untimed."""

from hypothesis import settings
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

pytest_collect_file = Sybil([PythonCodeBlockParser()], pattern="*.md").pytest()
