"""Python's websockets: `websocket.py serve` prints its port and echoes until standard input ends, `websocket.py serve
PORT` does so on every address until it is ended; `websocket.py ask URL [ROOT]` sends and closes, and fails where the echo is another."""
import asyncio
import ssl
import sys
import threading

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
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


def run_server(port=None):
    address = ("127.0.0.1", 0) if port is None else ("", int(port))
    with serve(echo, *address, subprotocols=["chat"], max_size=2**22) as server:
        if port is not None:
            server.serve_forever()
        print(server.socket.getsockname()[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()


async def ask(url, root=None):
    """In one thread: a TLS connection of Python's is not safe with two, and some server's ticket comes while it sends."""
    context = None if root is None else ssl.create_default_context(cafile=root)
    options = {"subprotocols": ["chat"], "max_size": 2**22, "ssl": context, "proxy": None}
    async with connect(url, **options) as socket:
        assert socket.subprotocol == "chat", socket.subprotocol
        for message in ["grüß dich ☺", "", b"large" * 200_000]:
            await socket.send(message)
            assert await socket.recv() == message
        for at in range(500):
            await socket.send(f"message {at}")
        assert [await socket.recv() for _ in range(500)] == [f"message {at}" for at in range(500)]
        await asyncio.wait_for(await socket.ping("are you there"), 5)
        await socket.send(["in ", "three ", "pieces"])
        assert await socket.recv() == "in three pieces"
        await socket.send(FAREWELL)
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "because"), closed
        else:
            raise AssertionError("not closed")


if sys.argv[1] == "serve":
    run_server(*sys.argv[2:])
else:
    asyncio.run(ask(*sys.argv[2:]))
    print("done")
