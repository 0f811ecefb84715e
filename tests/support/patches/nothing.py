"""Nothing is done differently."""
