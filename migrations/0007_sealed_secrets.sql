-- Request headers and bodies that hold secrets, encrypted: request_headers and request_body then
-- hold what may be shown of them, and these two what is sent (Fernet tokens).
ALTER TABLE websites
    ADD COLUMN sealed_headers text,
    ADD COLUMN sealed_body    text;
-- Few websites have any. Encrypting anew looks at these alone.
CREATE INDEX websites_with_secrets ON websites (id)
 WHERE sealed_headers IS NOT NULL OR sealed_body IS NOT NULL
    OR request_headers <> '{}' OR request_body <> '';
