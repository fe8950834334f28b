"""What a region and a subscription may hold: VM sizes, cores, endpoints, deployments."""
