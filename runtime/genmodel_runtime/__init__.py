"""What runs in a model's pod: fetch the weights, serve them, watch the engine."""
