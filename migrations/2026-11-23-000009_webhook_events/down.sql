DROP TABLE webhook_sources;
DROP TABLE webhook_events;
DROP TYPE webhook_event_status;
DROP TYPE webhook_provider;
