"""Microsoft.MachineLearningServices as ARM shows it: workspaces, computes, assets, jobs, endpoints, schedules."""
