"""The API: the facts of the console as JSON, for other programs. It knows no page; a program shows a token."""
