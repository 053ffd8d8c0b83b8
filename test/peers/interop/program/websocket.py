"""Python's websockets: `websocket.py serve` prints its port and echoes until standard input ends;
`websocket.py ask URL [ROOT]` sends and closes, and fails where the echo is another."""
import ssl
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve

FAREWELL = "please close"


def echo(socket):
    try:
        for message in socket:
            if message == FAREWELL:
                socket.close(4001, "because")
                return
            socket.send(message)
    except ConnectionClosed:
        pass


def run_server():
    with serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=2**22) as server:
        print(server.socket.getsockname()[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()


def ask(url, root=None):
    context = None if root is None else ssl.create_default_context(cafile=root)
    options = {"subprotocols": ["chat"], "max_size": 2**22, "ssl": context, "proxy": None}
    with connect(url, **options) as socket:
        assert socket.subprotocol == "chat", socket.subprotocol
        for message in ["grüß dich ☺", "", b"large" * 200_000]:
            socket.send(message)
            assert socket.recv() == message
        for at in range(500):
            socket.send(f"message {at}")
        assert [socket.recv() for _ in range(500)] == [f"message {at}" for at in range(500)]
        assert socket.ping("are you there").wait(5)
        socket.send(["in ", "three ", "pieces"])
        assert socket.recv() == "in three pieces"
        socket.send(FAREWELL)
        try:
            socket.recv()
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "because"), closed
        else:
            raise AssertionError("not closed")


if sys.argv[1] == "serve":
    run_server()
else:
    ask(*sys.argv[2:])
    print("done")
