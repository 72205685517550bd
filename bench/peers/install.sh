#!/bin/sh
# Installs the servers that ringbus is measured against, on Debian and Ubuntu. Run it as root.
# Their Node clients, and ZeroMQ with all it needs, are development dependencies of the project.
set -eu
apt-get update
apt-get install --yes --no-install-recommends mosquitto nats-server redis-server
mosquitto -h | head -n 1
nats-server --version
redis-server --version
