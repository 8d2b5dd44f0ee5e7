"""Published studies pooled: effect sizes, pairwise and Bayesian meta-analysis, and how far to trust them.

Importing this package loads neither PyMC nor a plotting library.
"""
