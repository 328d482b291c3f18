"""What is done: the one engine, its costs, and the doors to it."""
