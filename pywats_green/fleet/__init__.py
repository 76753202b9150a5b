"""What several machines share, over Redis or Valkey: one limit, one gate, invalidation.

Nothing here is imported before `configure(fleet=)` names a server.
"""
