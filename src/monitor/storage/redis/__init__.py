"""Redis: the projection of Postgres, the states of regions, counters and buffers."""
