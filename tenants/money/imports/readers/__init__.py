"""Readers of bank statements: bytes in, exact lines and reasons out. Pure: no database, no Flask, no clock."""
