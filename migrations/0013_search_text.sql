-- The URL and the name as they are searched, with the case of all letters folded. Postgres folds
-- what its locale knows, which is ASCII alone in most installations. NULL where both are ASCII, and
-- until `monitor migrate` has filled it in: lower() in the C locale stands in for it.
ALTER TABLE websites ADD COLUMN search_text text;
