-- What a delivery fails for and since when, and which server took one: by these a refusal of one
-- recipient is told from a refusal of all, and a channel that fails from one that works.
ALTER TABLE notifications
    ADD COLUMN peer          text,
    ADD COLUMN fault         text,
    ADD COLUMN failing_since timestamptz;

CREATE INDEX notifications_sent ON notifications (channel, sent_at) WHERE state = 'sent';
CREATE INDEX notifications_failing ON notifications (channel, failing_since)
    WHERE state = 'queued' AND fault <> 'recipient';
