"""From gestures to safe robot commands: who commands, what, how fast, and what locks it."""
