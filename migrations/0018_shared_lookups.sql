-- Checks whose address another check of their slot had looked up, so that dns_ms is 0: null, which
-- takes no room, for all others.
ALTER TABLE ticks ADD COLUMN dns_shared boolean;
