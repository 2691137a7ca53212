"""Embeddings of files of any length: ``python -m models.embed``.

A file is read row by row into parts of a fixed number of rows; worker processes clean, featurize and embed
one part each and write it as a Parquet file. Whatever is in memory at one time is of some parts only.
"""
