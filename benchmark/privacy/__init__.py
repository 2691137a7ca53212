"""What a quantized model leaks: the indicator r, its moments, and the generalisation gap."""
