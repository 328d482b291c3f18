"""What is true: orders, the book that fills are folded into, trades and results."""
