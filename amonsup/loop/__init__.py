"""How our small processes wait and talk: the event loop and the channel between two of them."""
