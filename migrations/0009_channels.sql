-- Which channels there are is the workers' knowledge: a new one needs no migration.
ALTER TABLE notifications DROP CONSTRAINT notifications_channel_check;

-- What the other side called the message, to edit it or to answer it, and what it said.
ALTER TABLE notifications
    ADD COLUMN message_id text,
    ADD COLUMN response   text;
