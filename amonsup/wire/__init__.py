"""The messages between client and supervisor, and their codec. No I/O."""
