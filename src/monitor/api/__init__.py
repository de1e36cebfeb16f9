"""The REST API: thin routes over the services, and one table from errors to problem+json."""
