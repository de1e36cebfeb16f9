"""Redis shows what Postgres holds (the projection) and what the regions hold (the states)."""
