"""What a model needs and what the cluster has. Pure."""
