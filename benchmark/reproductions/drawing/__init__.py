"""The drawing of the figures: a module each, imported only when a figure is drawn."""
