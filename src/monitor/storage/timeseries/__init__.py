"""The time series. One contract (``contract.TickStore``), two stores: InfluxDB and Postgres."""
