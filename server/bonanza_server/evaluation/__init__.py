"""Evaluation that can be believed: what "NAS evaluation is frustratingly hard" (Yang, Esperança, Carlucci 2020) asks of a search, computed from its data."""
