"""The command line, on click and rich: a module per command, and a table of them.

Nothing else imports it. To add a command, write a module that has it as `command`, and a row in
`commands.COMMANDS`.
"""
