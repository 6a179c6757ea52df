"""What answers strangers: a survey that counts and never copies. It knows nothing of the archive."""
