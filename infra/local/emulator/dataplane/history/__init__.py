"""Run history: experiments and runs."""
