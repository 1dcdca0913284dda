"""`churn init`: from a folder of files to proposed settings, with the questions only the user can answer."""
