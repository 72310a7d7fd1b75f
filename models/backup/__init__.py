"""Backups that an erasure reaches: whom each row concerns, how it is sealed, and what a backup says of itself."""
