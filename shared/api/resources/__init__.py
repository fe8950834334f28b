"""Handlers of resources: provision, act, run, score, browse, pass through to the v1 data plane."""
