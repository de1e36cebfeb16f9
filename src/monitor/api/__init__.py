"""The REST API: thin routes over the services, and one table that maps errors to problems."""
