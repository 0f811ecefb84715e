"""What services write: captured, kept, and (with the logs issue) rotated, searched and watched."""
