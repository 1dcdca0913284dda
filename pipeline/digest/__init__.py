"""The digest: what of a night is news to a customer success manager, how it is said, and how it reaches them once."""
