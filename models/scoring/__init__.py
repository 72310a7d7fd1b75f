"""Scores: what is to be expected of a person, in stated units over a stated horizon, beside the simplest rival."""
