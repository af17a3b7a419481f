#!/bin/sh
# Managed by the Ansible collection claude_code.observability.
#
# Runs one Loki of several when the others have noticed that it was away, and send it no events. Loki would take them while
# it reads its log, and number them in between: it took some of either for repeats, and lost them, now or the next time.
#
# Usage: start-unheard.sh SECONDS LOG PROGRAM [ARGUMENT...]
#   SECONDS   until the others take it for dead
#   LOG       directory of its log; with an empty one there is nothing to wait for
set -u

seconds=$1 log=$2
shift 2

if [ -n "$(ls -A "$log" 2>/dev/null)" ]; then
    sleep "$seconds"
fi
exec "$@"
