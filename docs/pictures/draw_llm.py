"""Draw docs/pictures/llm.svg: a plan of serving Llama-3-8B on one H100."""

from pathlib import Path

import matplotlib

from costs import Transformer

matplotlib.rcParams["svg.hashsalt"] = "tractable"  # the same file each time
plan = Transformer.from_config("llama-3-8b").serve("h100", 32, 8192)
plan.plot().savefig(Path(__file__).with_name("llm.svg"), metadata={"Date": None})
