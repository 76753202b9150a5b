"""What OData asks of a query: a filter, an order, a page."""
