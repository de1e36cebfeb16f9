#!/bin/bash
# InfluxDB 2: the bucket of the hourly roll-ups, kept as long as MONITOR_ROLLUP_DAYS says (400).
set -eu
influx bucket create --name "${DOCKER_INFLUXDB_INIT_BUCKET}_hourly" --retention 400d
