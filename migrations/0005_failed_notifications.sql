-- Failed notifications are counted for /metrics: without this it reads all there ever were.
CREATE INDEX notifications_failed ON notifications (created_at) WHERE state = 'failed';
