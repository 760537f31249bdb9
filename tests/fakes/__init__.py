"""Stand-ins for services that tests cannot have for real, or cannot make fail for real."""
