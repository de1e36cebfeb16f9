"""All that we add to Dramatiq, and nowhere else."""
