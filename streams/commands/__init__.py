"""What each command of the command line does; streams.cli puts them together."""
