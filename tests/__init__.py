"""A package, because other distributions install one of this name, and a package wins over a mere folder."""
