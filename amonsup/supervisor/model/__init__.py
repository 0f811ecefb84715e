"""Runtime facts of services as records: phases, exits, events, effects. Nothing here acts."""
