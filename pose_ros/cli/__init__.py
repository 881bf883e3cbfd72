"""The command line: a parser and a function a command; heavy imports late."""
