-- Deleting a region deletes its verdicts: without this it reads all of them.
CREATE INDEX verdicts_region ON verdicts (region);
