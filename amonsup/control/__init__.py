"""The control plane: the supervision tree on XMPP. Unprivileged; the only process with a network connection."""
