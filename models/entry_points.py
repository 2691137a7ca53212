"""The name under which installed packages offer quantizers: known without loading torch."""

#: Group of entry points.
GROUP = "molmis.quantizers"
