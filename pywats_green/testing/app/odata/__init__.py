"""OData queries: filtering, ordering and paging."""
