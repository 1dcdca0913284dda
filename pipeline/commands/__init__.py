"""The commands, in the groups in which `churn --help` shows them."""
