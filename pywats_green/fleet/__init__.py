"""What several machines share, over Redis or Valkey: one limit, one gate, invalidation; the intake.

Nothing here is imported before `configure(fleet=)` names a server, or a program asks for it.
"""
