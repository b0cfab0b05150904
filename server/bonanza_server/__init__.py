"""The ask/tell server."""
