"""Sphinx builds the pages offline: no other project's inventory is asked for."""

import importlib.metadata

project = "tractable"
author = "The tractable developers"
project_copyright = author
release = importlib.metadata.version("tractable")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_ivar = True  # an attribute named n is no target for every other n

html_theme = "furo"
html_title = f"tractable {release}"
