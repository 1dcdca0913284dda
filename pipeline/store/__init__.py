"""The store: its tables, how it is opened and made, who may write to it, and what readers ask of it."""
