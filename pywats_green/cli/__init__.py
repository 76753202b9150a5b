"""The command line: a module per command, and a table of them. Nothing else imports it."""
