"""The same as go/main.go by grpcio: calls what `xds:///` leads to, serves, and answers for itself by CSDS."""
import json
import sys
import threading
from concurrent import futures

import grpc
import grpc.experimental
import grpc_csds

server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
grpc_csds.add_csds_servicer(server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
printing = threading.Lock()


class Names(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method != "/test.Names/Ask":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: b"Python")


if len(sys.argv) > 1:
    served = grpc.server(futures.ThreadPoolExecutor(max_workers=4), xds=True)
    served.add_generic_rpc_handlers((Names(),))
    credentials = grpc.xds_server_credentials(grpc.insecure_server_credentials())
    served.add_secure_port(sys.argv[1], credentials)
    served.start()

channels = {}


def tell(line):
    with printing:
        print(line, flush=True)


def end(asked, call):
    error = call.exception()
    code = 0 if error is None else call.code().value[0]
    text = call.result().decode() if error is None else call.details()
    tell(json.dumps({"id": asked["id"], "code": code, "text": text}))


tell(f"127.0.0.1:{port}")
for line in sys.stdin:
    asked = json.loads(line)
    target = asked["target"]
    if target not in channels:
        credentials = grpc.xds_channel_credentials(grpc.experimental.insecure_channel_credentials())
        channels[target] = grpc.secure_channel(target, credentials)
    method = channels[target].unary_unary(asked["method"])
    metadata = [
        (name, value.encode() if name.endswith("-bin") else value)
        for name, value in asked["headers"].items()
    ]
    future = method.future(b"", metadata=metadata, timeout=asked["timeoutMs"] / 1000)
    future.add_done_callback(lambda call, asked=asked: end(asked, call))
