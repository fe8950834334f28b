"""Guarded rollouts of online endpoints: a new deployment gets the traffic step by step, as long as it does well."""
