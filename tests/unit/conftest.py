"""For all unit tests: a shared machine may be slow, which is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
