"""What the Hub says of a model."""
