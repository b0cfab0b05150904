"""Studies, trials, attempts, events and fits in SQL. Functions here run inside a transaction that the service owns."""
