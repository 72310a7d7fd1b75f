"""The audit log's rules: entries that each hold the hash of all before them, and the signed end of the log."""
