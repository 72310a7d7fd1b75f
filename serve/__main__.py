"""`python -m serve` is the command `onefold`."""

from serve.cli import main

main()
