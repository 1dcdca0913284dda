"""The reads: what each page shows, got out of the stores. They know nothing of requests and templates."""
