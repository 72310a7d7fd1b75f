"""Scoring models for Onefold."""
