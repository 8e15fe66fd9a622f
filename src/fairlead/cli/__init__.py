"""The command line: one module per verb, each parses, calls the use cases and prints."""
