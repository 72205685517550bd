#!/bin/sh
# Installs the servers that ringbus is measured against, on Debian and Ubuntu. Run it as root.
# Their Node clients are development dependencies of the project.
set -eu
apt-get update
apt-get install --yes --no-install-recommends nats-server
nats-server --version
