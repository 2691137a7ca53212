"""Models: frozen encoders, the bank of heads, and the quantizers."""
