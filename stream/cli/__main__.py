"""`python -m stream.cli`, where the console command is not on the path."""

from stream.cli import main

main()
