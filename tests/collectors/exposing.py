"""A program that exposes a loss, which is half as large at each scrape, and ends after some."""

SCRAPES = 3
EXPOSING = f"""
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

begin = float(sys.argv[1]) if sys.argv[1:] else 1.0

class Page(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        Page.asked += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"loss %.6f\\n" % (begin * 0.5 ** Page.asked))

server = HTTPServer(("", int(os.environ["TRIALSTREAM_METRICS_PORT"])), Page)
while Page.asked < {SCRAPES}:
    server.handle_request()
"""
COLLECTOR = {
    "collector": {"kind": "PrometheusMetric"},
    "source": {"httpGet": {"port": 9000, "intervalSeconds": 0.2}},
}
