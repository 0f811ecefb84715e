"""Doors for people: chat text and forms, both generated from the verbs' declarations."""
