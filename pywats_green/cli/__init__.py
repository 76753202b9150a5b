"""The command line: one module for each command, one table of them, nothing else imports it."""
