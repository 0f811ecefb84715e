"""Health checks over the network, made by a process that owns nothing and may do nothing else."""
