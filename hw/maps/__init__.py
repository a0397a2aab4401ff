"""How maps lie in words and memories, and which lane neighbours which."""
