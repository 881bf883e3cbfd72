"""A network camera on the loopback: MJPEG over HTTP."""

from __future__ import annotations

import http.server
import threading

import cv2

from pose_ros.core.types import Image


class MjpegServer:
    """Sends one picture, 50 times a second, to each client."""

    def __init__(self, port: int, image: Image) -> None:
        """``port``: of the loopback, 0 for one that is free; ``image``: (H, W, 3) uint8 BGR."""
        _, data = cv2.imencode(".jpg", image)
        ended = self.ended = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                try:
                    while not ended.wait(0.02):
                        self.wfile.write(head.encode() + data.tobytes() + b"\r\n")
                except OSError:
                    pass  # the reader went away

            def log_message(self, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        """End the server and its connections."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
