"""The daemon: guardian and supervisor, and what they know of services."""
