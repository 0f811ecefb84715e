"""Pure: what control knows and decides; no clock, no network, no stanza."""
