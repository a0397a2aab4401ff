"""Sub-bit networks: training (needs torch), the exported file and its integer model (need numpy).

Importing this package imports no torch; only the modules that train do.
"""
