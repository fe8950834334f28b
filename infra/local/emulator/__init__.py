"""The local Azure: identity, ARM and Azure Machine Learning under their real host names, on one machine."""
