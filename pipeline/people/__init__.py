"""The people store: who works with the nights and what they did. It cannot be rebuilt, so it can be backed up."""
