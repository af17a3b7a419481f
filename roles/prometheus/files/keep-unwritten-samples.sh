#!/bin/sh
# Managed by the Ansible collection claude_code.observability.
#
# Prometheus skips samples of its write-ahead log that are older than the end of the newest block, unless that block is
# marked as made of out-of-order samples. A block of late samples may reach further than what has left the log, and loses
# its mark when it is merged with others. So before each start every merged block is marked. What the log then holds
# twice counts once: a sample of one time is one sample.
#
# Usage: keep-unwritten-samples.sh STORAGE.TSDB.PATH
set -eu

for meta in "$1"/*/meta.json; do
    if [ -f "$meta" ] && ! grep -q -e '"level": 1,' -e from-out-of-order "$meta"; then
        sed 's/"compaction": {/&\n\t\t"hints": ["from-out-of-order"],/' "$meta" >"$meta.new"
        sync "$meta.new"
        mv "$meta.new" "$meta"
    fi
done
