"""`python -m controller.cli`: the command line without its installed script."""

from controller.cli import main

main()
