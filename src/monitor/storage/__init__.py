"""What is kept, and where: Postgres (truth), Redis (projection and states), the tick store."""
