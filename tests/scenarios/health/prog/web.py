"""web.py NAME: an HTTP server on a free port, in port.NAME; it answers as mood.NAME says, and hangs if that says so."""

import http.server
import os
import sys
import time

name = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        mood = "200"
        if os.path.exists(f"mood.{name}"):
            with open(f"mood.{name}") as file:
                mood = file.read().strip()
        with open(f"asked.{name}", "a") as file:
            file.write(f"{self.headers['Host']} {self.path} {mood}\n")
        if mood == "hangs":
            time.sleep(1000)
        if mood == "garbage":
            self.wfile.write(b"\0" * 200_000)
            return
        self.send_response(int(mood))
        if mood == "302":
            self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(b"out of tapes\n" * 100_000)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
server.serve_forever()
