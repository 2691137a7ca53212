"""The benchmark: plans cells, evaluates them, stores results, and tells them in tables and figures."""
