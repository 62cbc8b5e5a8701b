"""The demonstration workspace: a small maintenance company, the same for the same seed and day."""
