"""Learning, judging and explaining: data frames in, figures and reasons out. Only `registry` touches MLflow."""
