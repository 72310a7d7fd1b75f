"""Load generators behind `onefold bench`: they measure the running service from outside, against a bare rival."""
