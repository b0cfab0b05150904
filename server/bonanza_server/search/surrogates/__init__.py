"""Models that predict an objective from an encoded architecture."""
