-- What a single check says beyond its result: the address of one that found its website down, and
-- when it began where that was more than a second after its slot. Null, which takes no room, for
-- all others.
ALTER TABLE ticks
    ADD COLUMN address  text,
    ADD COLUMN began_at timestamptz;
