"""From the inside out: a configuration is read, and says what a stranger would find from the outside."""
