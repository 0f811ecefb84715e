"""amonsup top: a live page for a terminal. Imported only by that verb, because textual and asyncio take their time."""
