#!/bin/sh
# Managed by the Ansible collection claude_code.observability.
#
# Runs Prometheus, and ends it, so that what it acknowledges is on disk:
# * With a full disk it says that it took what it could not write, which is lost. So it runs only while there is room.
#   Stopped it answers nothing, and the collector keeps in its queue what it cannot deliver.
# * Told to end, it closes its storage before it stops listening, and loses what it takes in between. Killed it loses
#   nothing: it acknowledges only what is in its log.
#
# Usage: run-while-there-is-room.sh PERCENT STORAGE.TSDB.PATH REPORTS PROGRAM [ARGUMENT...]
#   PERCENT   of the disk that must be free, and one more until Prometheus starts again. 0: it always runs.
#   REPORTS   directory for the metrics of the disk, which Prometheus serves and scrapes
set -u

least=$1 data=$2 reports=$3
shift 3
every=2
free=0 total=0 program='' stopping=''

say() { echo "${0##*/}: $*" >&2; }

# Sets free and total: kilobytes that this user may write. They stay what they were if the disk does not say.
look() {
    # shellcheck disable=SC2046 # the last line of df, word by word
    set -- $(df -kP "$data" 2>/dev/null | tail -n 1)
    case "${3-}${4-}" in
        '' | *[!0-9]*) ;;
        *) free=$4 total=$(($3 + $4)) ;;
    esac
}

has_room() { # PERCENT
    look
    [ $((free * 100)) -ge $((total * $1)) ]
}

report() {
    [ "$total" -gt 0 ] || return 0
    printf '%s %s\n' disk_free_bytes $((free * 1024)) disk_size_bytes $((total * 1024)) \
        disk_min_free_ratio "$(printf '0.%02d' "$least")" >"$reports/disk.txt"
}

watch() {
    while has_room "$least"; do
        report
        sleep "$every"
    done
    say "Prometheus is stopped, less than $least % of the disk of $data is free (prometheus_disk_min_free)."
    kill -KILL "$program"
}

wait_for_room() {
    has_room "$least" && return
    waited=0
    until has_room $((least + 1)) || [ "$stopping" ]; do
        [ $((waited % 30)) -ne 0 ] || say "Prometheus waits until $((least + 1)) % of the disk of $data is free;" \
            "now it is $((free * 100 / total)) %. Nothing is lost: the collector keeps what it is sent. Make room."
        waited=$((waited + every))
        # A signal ends a wait, but no sleep.
        sleep "$every" &
        wait $!
    done
}

trap 'stopping=yes; [ -z "$program" ] || kill -KILL "$program" 2>/dev/null' TERM INT
trap '[ -z "$program" ] || kill -HUP "$program" 2>/dev/null' HUP
mkdir -p "$reports"

while :; do
    wait_for_room
    [ -z "$stopping" ] || exit 0
    /bin/sh "${0%/*}/keep-unwritten-samples.sh" "$data" || say "Merged blocks could not be marked."
    "$@" &
    program=$!
    [ -z "$stopping" ] || kill -KILL "$program"
    watch &
    watcher=$!
    # A signal ends the wait, not always the program.
    while
        wait "$program" 2>/dev/null
        code=$?
        kill -0 "$program" 2>/dev/null
    do :; done
    program=''
    kill -KILL "$watcher" 2>/dev/null
    wait "$watcher" 2>/dev/null
    [ -z "$stopping" ] || exit 0
    ! has_room "$least" || exit "$code"
done
