"""Verbs: turns CMS's releases into versioned Parquet. `build` holds the order of steps, `flows` runs them."""
