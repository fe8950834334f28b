"""Measures what the README states; it asserts nothing (the guards do) and is no test."""
