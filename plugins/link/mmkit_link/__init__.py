"""Record linkage for mmkit: which records of two tables, or of one, mean the same thing."""
