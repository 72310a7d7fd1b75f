"""Consent and what becomes of it: signals decoded, purposes decided."""
