"""The steps that the tables of the store have taken, oldest first."""
