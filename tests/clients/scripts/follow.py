"""Follows a tail until it has seen a number of lines, and prints each: python follow.py URL COUNT

The URL is that of the tail, with its query. `following` is printed once the connection is open.
"""

import json
import sys

from websockets.sync.client import connect

wanted = int(sys.argv[2])
with connect(sys.argv[1]) as socket:
    print("following", flush=True)
    while wanted > 0:
        frame = json.loads(socket.recv(timeout=60))
        for stream in frame["streams"]:
            for nanos, line in stream["values"]:
                print(line, flush=True)
                wanted -= 1
