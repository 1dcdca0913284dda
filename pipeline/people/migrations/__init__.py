"""The steps that the tables of the people store have taken, oldest first."""
