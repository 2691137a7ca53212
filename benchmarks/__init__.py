"""Scripts that measure speed; each prints a table and says what it measured."""
