"""YAML of jobs, pipelines and schedules."""
