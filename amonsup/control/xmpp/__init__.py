"""The only package that knows slixmpp: sessions, and stanzas in and out as records."""
