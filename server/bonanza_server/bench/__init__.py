"""``bonanza bench``: strategies and peers on tables of trained architectures, in process, many seeds, one report."""
