"""The HTTP surface: a route decodes, calls once, returns."""
