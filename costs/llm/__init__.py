"""What a transformer costs: parameters, operations, cache, and serving it on a given chip.

One file an idea: the shape of the model (`architecture`, read from a configuration by `families`),
its parameters, its operations, its cache and generation, chips, a step's time on them, serving.
"""
