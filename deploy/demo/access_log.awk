# Writes `lines` lines of a made-up web access log as JSON, spread over the `span` seconds before `now` (seconds since
# 1970), with a bad quarter of an hour in the middle. The same `seed` gives the same log.
BEGIN {
    srand(seed)
    split("/ /cart /checkout /login /search /static/app.js /api/orders /api/items", paths, " ")
    split("GET GET GET GET POST PUT", methods, " ")
    split("Firefox/143.0 Chrome/142.0 curl/8.14 Safari/26.1", agents, " ")
    for (n = 0; n < lines; n++) {
        at = now - span + span * n / lines
        bad = at > now - span / 2 && at < now - span / 2 + 900
        chance = rand()
        status = chance < (bad ? 0.20 : 0.01) ? 500 : chance < 0.25 ? 404 : chance < 0.30 ? 302 : 200
        milliseconds = int(5 + 40 * rand() + (status == 500 ? 900 * rand() : 0))
        printf "{\"time\":\"%s.%03dZ\",\"client\":\"203.0.113.%d\",\"method\":\"%s\",\"path\":\"%s\",\"status\":%d,\"bytes\":%d,\"ms\":%d,\"agent\":\"%s\"}\n", \
            strftime("%Y-%m-%dT%H:%M:%S", int(at), 1), int((at - int(at)) * 1000), int(rand() * 254) + 1, \
            methods[int(rand() * 6) + 1], paths[int(rand() * 8) + 1], status, int(rand() * 20000) + 200, milliseconds, \
            agents[int(rand() * 4) + 1]
    }
}
