-- An incident also ends because its website is paused or deleted, or because the region that held
-- the website down is removed. Then nobody saw it recover: it is closed, and those who were told of
-- its beginning are told that. One message tells a recipient of all incidents that are closed at
-- once, and it is sent even where the websites are gone.
ALTER TABLE incidents
    DROP CONSTRAINT incidents_resolution_check,
    ADD CONSTRAINT incidents_resolution_check
        CHECK (resolution IN ('recovered', 'paused', 'region_removed'));

-- Which events there are is the workers' knowledge, as it is with channels.
ALTER TABLE notifications
    DROP CONSTRAINT notifications_event_check,
    ALTER COLUMN incident_id DROP NOT NULL,
    -- What a message says that is about several incidents, or about one that is gone.
    ADD COLUMN content jsonb,
    -- A message is not sent before these are sent, or have failed.
    ADD COLUMN waits_for uuid[] NOT NULL DEFAULT '{}',
    -- What closes incidents in several transactions, such as an import: they share the message.
    ADD COLUMN operation uuid,
    ADD CONSTRAINT notifications_says_something
        CHECK (incident_id IS NOT NULL OR content IS NOT NULL);

UPDATE notifications n SET waits_for = ARRAY[o.id]
  FROM notifications o
 WHERE n.state = 'queued' AND n.event = 'resolved'
   AND o.incident_id = n.incident_id AND o.event = 'opened'
   AND o.channel = n.channel AND o.recipient = n.recipient;

-- Of an operation, a recipient, and why incidents were closed: the message that nobody has claimed.
CREATE UNIQUE INDEX notifications_growing
    ON notifications (operation, channel, recipient, (content->>'how'))
    WHERE operation IS NOT NULL AND state = 'queued' AND attempts = 0;

-- To delete those without an incident: the others go with their websites.
CREATE INDEX notifications_without_incident ON notifications (created_at)
    WHERE incident_id IS NULL;
