"""``bonanza demo``: a whole search with real processes, a server and its workers, in about a minute."""
