"""Run the fenced Python of README.md and docs/ as tests, each file in one namespace."""

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

pytest_collect_file = Sybil([PythonCodeBlockParser()], pattern="*.md").pytest()
