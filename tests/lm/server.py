"""A server in a thread, as good or as bad as a test wants it."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Seen:
    """What came in: bodies and headers in order."""

    def __init__(self):
        self.bodies, self.headers, self.paths = [], [], []


@contextmanager
def serving(answer):
    """`answer(body, number)` gives (status, text), (status, text, headers), or None: the line is cut."""
    seen, lock = Seen(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                number = len(seen.bodies)
                seen.bodies.append(json.loads(raw))
                seen.headers.append(dict(self.headers))
                seen.paths.append(self.path)
            found = answer(seen.bodies[number], number)
            if found is None:
                self.close_connection = True
                return
            status, text, headers = (*found, {})[:3]
            data = text.encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ok(value):
    return 200, json.dumps(value)
