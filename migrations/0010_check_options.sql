-- The options of a check in one column, under the kind that says how it checks. Options that are
-- searched (url, check_frequency) stay columns; values that are defaults are left out.
-- One rewrite of the table: an empty column becomes the options, computed from all others.
ALTER TABLE websites ADD COLUMN options jsonb;
ALTER TABLE websites
    ALTER COLUMN options TYPE jsonb USING jsonb_strip_nulls(jsonb_build_object(
        'kind', 'http',
        'request_timeout', nullif(request_timeout, 15),
        'http_method', nullif(http_method, 'GET'),
        'request_headers', nullif(request_headers, '{}'),
        'request_body', nullif(request_body, ''),
        'expected_status_codes', nullif(expected_status_codes, '[[200, 399]]'),
        'follow_redirects', nullif(follow_redirects, true), 'verify_ssl', nullif(verify_ssl, true)
    )),
    ALTER COLUMN options SET NOT NULL,
    ADD CHECK (jsonb_typeof(options) = 'object' AND options ? 'kind'),
    -- Fernet tokens by option; the options then hold what may be shown of these.
    ADD COLUMN encrypted jsonb CHECK (jsonb_typeof(encrypted) = 'object'),
    -- Whether options that may hold a secret are set: whoever writes them knows which those are.
    ADD COLUMN has_secrets boolean NOT NULL DEFAULT false;

-- Few websites have any.
UPDATE websites
   SET has_secrets = true,
       encrypted = nullif(jsonb_strip_nulls(jsonb_build_object(
           'request_headers', sealed_headers, 'request_body', sealed_body)), '{}')
 WHERE sealed_headers IS NOT NULL OR sealed_body IS NOT NULL
    OR request_headers <> '{}' OR request_body <> '';
DROP INDEX websites_with_secrets;
CREATE INDEX websites_with_secrets ON websites (id) WHERE has_secrets;

-- Dropped from the catalogue alone, the CHECKs on them with them.
ALTER TABLE websites
    DROP COLUMN request_timeout, DROP COLUMN http_method, DROP COLUMN request_headers,
    DROP COLUMN request_body, DROP COLUMN expected_status_codes, DROP COLUMN verify_ssl,
    DROP COLUMN sealed_headers, DROP COLUMN sealed_body, DROP COLUMN follow_redirects;
