#!/usr/bin/env bash
# `make demo`: three nodes on this machine, real logs, a kill -9, and what becomes of it. Tells what it does as it goes.
# Every step is checked. With DEMO_ONCE=1 it stops the nodes at the end and exits 0, or 1 if a step failed; otherwise the
# nodes stay up until Ctrl-C. It ends only processes that it has started, and writes only below .demo/.
set -euo pipefail
cd "$(dirname "$0")/../.."

logmesh=${LOGMESH:?the binary; make demo sets it}
room=$PWD/.demo
names=(a b c)
declare -A pid

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'; else bold='' dim='' off=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; }
fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    for name in "${names[@]}"; do
        [[ -s $room/$name.log ]] && printf -- '-- the end of %s\n' "$room/$name.log" >&2 && tail -n 12 "$room/$name.log" >&2
    done
    exit 1
}

# until_true SECONDS WHAT COMMAND…: waits for a condition, and fails when it does not come.
until_true() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "$what did not come to pass in time"
        sleep 0.2
    done
}

port_taken() {
    grep -qiE "^ *[0-9]+: [0-9A-F]+:$(printf '%04X' "$1") " /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 2>/dev/null
}

# The usual ports, or the next ones that are all free.
pick_ports() {
    local shift at
    for ((shift = 0; shift < 2000; shift += 10)); do
        for at in 0 1 2; do
            if port_taken $((3100 + shift + at)) || port_taken $((7946 + shift + at)); then continue 2; fi
        done
        http=$((3100 + shift)) mesh=$((7946 + shift))
        return
    done
    fail "no three free ports from 3100 and from 7946 on"
}

index_of() {
    local at
    for at in 0 1 2; do
        if [[ ${names[at]} == "$1" ]]; then echo "$at"; fi
    done
}
url() { echo "http://127.0.0.1:$((http + $(index_of "$1")))"; }

start_node() {
    local name=$1 at
    at=$(index_of "$name")
    local flags=(--name "$name" --data "$room/$name" --http "127.0.0.1:$((http + at))" --mesh "127.0.0.1:$((mesh + at))"
        --seed "127.0.0.1:$mesh" --seed "127.0.0.1:$((mesh + 1))" --seed "127.0.0.1:$((mesh + 2))"
        --secret-file "$room/secret")
    show "logmesh run ${flags[*]//$PWD\//}"
    # Settings of the person who runs the demo are not the demo's.
    env -i PATH="$PATH" LOGMESH_STORE_DISK_RESERVE=64MiB "$logmesh" run "${flags[@]}" >>"$room/$name.log" 2>&1 </dev/null &
    pid[$name]=$!
    echo "${pid[$name]}" >"$room/$name.pid"
}

is_ready() { curl -fsS --noproxy '*' --max-time 2 "$(url "$1")/ready"; }
# Three members, all of them live, nothing owed: a mesh of one would be well too.
is_whole() {
    local told
    told=$("$logmesh" status --json --check --node "$(url "$1")") && [[ $(grep -o '"state":"live"' <<<"$told" | wc -l) == 3 ]]
}

wait_ready() {
    local name=$1 deadline=$((SECONDS + 60))
    until is_ready "$name" >/dev/null 2>&1; do
        kill -0 "${pid[$name]}" 2>/dev/null || fail "node $name has ended"
        ((SECONDS < deadline)) || fail "node $name was not ready within a minute"
        sleep 0.2
    done
}

cleanup() {
    local name running=()
    for name in "${names[@]}"; do
        if [[ -n ${pid[$name]:-} ]] && kill -0 "${pid[$name]}" 2>/dev/null; then
            kill -TERM "${pid[$name]}" 2>/dev/null || true
            running+=("${pid[$name]}")
        fi
    done
    if ((${#running[@]})); then
        printf '\nStopping the nodes.\n'
        wait "${running[@]}" 2>/dev/null || true
    fi
    rm -f "$room"/*.pid
}

# push NODE LABEL FILE: sends a file and adds what was accepted to `total`.
total=0
push() {
    local node=$1 source=$2 file=$3 said
    show "logmesh push ${file/#$PWD\//} --label job=demo --label source=$source --to $(url "$node")"
    # Some of a machine's own lines may be beyond the limits: 1 says that those were rejected, and is no failure here.
    said=$("$logmesh" push "$file" --label job=demo --label "source=$source" --to "$(url "$node")") || (($? == 1)) || fail "push"
    echo "$said"
    local accepted=${said%% *}
    [[ ${accepted//,/} =~ ^[0-9]+$ ]] || fail "push did not say how many records were accepted"
    total=$((total + ${accepted//,/}))
}

# ask NODE: asks a node, by plain HTTP, how many records of the demo the whole mesh has. Sets `count` and `complete`.
ask() {
    local answer
    answer=$(curl -fsS --noproxy '*' --max-time 60 -D "$room/headers" -G "$(url "$1")/loki/api/v1/query" \
        --data-urlencode 'query=sum(count_over_time({job="demo"}[2h]))') || fail "node $1 did not answer the query"
    count=$(sed -n 's/.*"value":\[[^,]*,"\([0-9]*\)"\].*/\1/p' <<<"$answer")
    complete=$(tr -d '\r' <"$room/headers" | sed -n 's/^logmesh-complete: //Ip')
    [[ -n $complete ]] || fail "node $1 did not say how complete its answer is"
}

check_count() {
    ask "$1"
    echo "node $1 finds $count of $total records; Logmesh-Complete: $complete"
    [[ $count == "$total" ]] || fail "node $1 finds ${count:-none} of $total records"
}

# held NODE: how many batches this one node holds itself.
held() {
    curl -fsS --noproxy '*' --max-time 10 "$(url "$1")/logmesh/v1/segments" |
        grep -o '"held_batches":[0-9]*' | awk -F: '{ sum += $2 } END { print sum + 0 }'
}

query() {
    show "logmesh query '$2' ${*:3} --node $(url "$1")"
    "$logmesh" query "$2" --node "$(url "$1")" "${@:3}" || fail "the query"
}

all_hold_the_same() {
    local first
    first=$(held a) && ((first > 0)) && [[ $(held b) == "$first" && $(held c) == "$first" ]]
}

# ---------------------------------------------------------------------------------------------------------------------

for file in "$room"/*.pid; do
    if [[ -e $file ]] && [[ $(readlink "/proc/$(<"$file")/exe" 2>/dev/null) == *logmesh* ]]; then
        echo "A demo is running already (process $(<"$file")); stop that one with Ctrl-C first." >&2
        exit 1
    fi
done
rm -rf "$room"
mkdir -p "$room"
pick_ports
trap cleanup EXIT
trap 'exit 130' INT TERM

say "1. Three nodes, one secret. No leader, no other system; each one seeds on the others."
show "logmesh keygen --out .demo/secret"
"$logmesh" keygen --out "$room/secret"
for name in "${names[@]}"; do start_node "$name"; done
for name in "${names[@]}"; do wait_ready "$name"; done
for name in "${names[@]}"; do until_true 60 "the mesh of three, as node $name sees it," is_whole "$name"; done
"$logmesh" status --node "$(url a)"

say "2. This machine's own logs, and a made-up web access log, to node a."
for file in /var/log/dpkg.log /var/log/apt/history.log /var/log/apt/term.log /var/log/*.log; do
    [[ -f $file && -r $file && -s $file ]] || continue
    source=$(basename "$file" .log)
    [[ $file == /var/log/apt/* ]] && source="apt-$source"
    [[ -e $room/sent-$source.log ]] && continue
    # A machine that has run for years may have gigabytes: the newest lines will do.
    tail -n 50000 "$file" >"$room/sent-$source.log"
    push a "${source//[^a-zA-Z0-9_.-]/_}" "$room/sent-$source.log"
done
if command -v journalctl >/dev/null && journalctl -q -n 1 --no-pager 2>/dev/null | grep -q .; then
    journalctl -q -n 20000 --no-pager -o short >"$room/sent-journal.log" 2>/dev/null
    push a journal "$room/sent-journal.log"
fi
awk -v lines=20000 -v span=3000 -v now="$(date +%s)" -v seed=1 -f deploy/demo/access_log.awk >"$room/sent-web.log"
push a web "$room/sent-web.log"
((total >= 20000)) || fail "only $total records were accepted"

say "3. Every record, from node c, which was sent nothing: by plain HTTP, and at the terminal."
show "curl -G $(url c)/loki/api/v1/query --data-urlencode 'query=sum(count_over_time({job=\"demo\"}[2h]))'"
check_count c
query c '{source="web"} | json | status="500"' --limit 3 --output raw
[[ $("$logmesh" query '{source="web"} |= "checkout"' --limit 5 --output raw --node "$(url c)" | grep -c checkout) == 5 ]] ||
    fail "node c does not find five lines with checkout"

say "4. kill -9 node a, to which all was sent. Its records are still found: the others hold copies."
until_true 60 "copies of everything on all three nodes" all_hold_the_same
when_killed=$(held a)
show "kill -9 ${pid[a]}"
kill -9 "${pid[a]}"
wait "${pid[a]}" 2>/dev/null || true
rm -f "$room/a.pid"
sees_a_away() { "$logmesh" status --json --node "$(url c)" | grep -q '"state":"away"'; }
until_true 60 "node c noticing that a is away" sees_a_away
check_count c
echo "An answer says how complete it is. Node c says now:"
query c '{source="web"} |= "checkout"' --limit 3 --output raw

say "5. The mesh goes on: more lines, to node b, while a is dead. Node a misses them."
awk -v lines=5000 -v span=60 -v now="$(date +%s)" -v seed=2 -f deploy/demo/access_log.awk >"$room/sent-more.log"
push b web "$room/sent-more.log"
check_count c

say "6. Node a comes back, and is given what it missed."
before=$(held b)
start_node a
wait_ready a
for name in "${names[@]}"; do until_true 120 "repair, as node $name sees it," is_whole "$name"; done
until_true 120 "equal holdings on all three nodes" all_hold_the_same
echo "Node a held $when_killed batches when it was killed. Now it holds $(held a) itself, b $(held b) and c $(held c)."
(($(held a) >= before && before > when_killed)) || fail "node a was not given what it missed"
for name in "${names[@]}"; do
    check_count "$name"
    [[ $complete == true ]] || fail "node $name says that its answer is not complete, although all are back"
done
"$logmesh" status --node "$(url a)"

if [[ ${DEMO_ONCE:-} == 1 ]]; then
    say "Every step did what it should."
    exit 0
fi

say "The nodes stay up until you press Ctrl-C. In another terminal, try:"
cat <<TRY
  export PATH=\$PATH:$(dirname "$logmesh")
  export LOGMESH_URL=$(url c)
  logmesh status
  logmesh query '{job="demo"} |= "error"' --limit 20
  logmesh query 'sum by (source) (count_over_time({job="demo"}[1h]))' --step 10m
  logmesh query '{source="web"} | json | ms > 500' --output raw
  dmesg --follow | logmesh push --label job=kernel
  curl -G $(url b)/loki/api/v1/labels
  kill -9 ${pid[b]}     # another node; then query again
Grafana: add a Loki data source with the URL of any node. The nodes' logs: .demo/{a,b,c}.log
TRY
wait
