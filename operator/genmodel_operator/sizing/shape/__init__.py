"""What a model is, in the numbers that decide its memory."""
