"""Shipping: what was read is kept in a spool and delivered in order."""
