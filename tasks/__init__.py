"""Tasks: what is predicted, where its records come from, and the catalogue of them."""
