"""Index words from outside: the port, its buffer, and when the engine waits for it."""
