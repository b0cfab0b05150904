"""Networks in torch, built from architectures; one file a family of spaces."""
