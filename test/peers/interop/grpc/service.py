"""gRPC's interoperability service by grpcio: `service.py serve` prints its port and runs until standard input
ends; `service.py ask ADDRESS [ROOT]` runs the cases that show most of the way between two ends."""
import pathlib
import sys
import time
from concurrent import futures

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).parent))
messages, services = grpc.protos_and_services("test.proto")

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


def payload(size):
    return messages.Payload(body=bytes(size))


def echo_metadata(context):
    sent = context.invocation_metadata()
    context.send_initial_metadata([(name, value) for name, value in sent if name == INITIAL])
    context.set_trailing_metadata([(name, value) for name, value in sent if name == TRAILING])


CODES = {code.value[0]: code for code in grpc.StatusCode}


def fail_as_asked(request, context):
    if request.response_status.code:
        context.abort(CODES[request.response_status.code], request.response_status.message)


class Service(services.TestServiceServicer):
    def EmptyCall(self, request, context):
        return messages.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        fail_as_asked(request, context)
        return messages.SimpleResponse(payload=payload(request.response_size))

    def StreamingOutputCall(self, request, context):
        return self.replies(request)

    def StreamingInputCall(self, requests, context):
        size = sum(len(one.payload.body) for one in requests)
        return messages.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            fail_as_asked(request, context)
            yield from self.replies(request)

    def replies(self, request):
        for one in request.response_parameters:
            if one.interval_us:
                time.sleep(min(one.interval_us / 1e6, 1))
            yield messages.StreamingOutputCallResponse(payload=payload(one.size))


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    services.add_TestServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()


def wanted(sizes):
    return [messages.ResponseParameters(size=size) for size in sizes]


def large_unary(stub):
    request = messages.SimpleRequest(response_size=314159, payload=payload(271828))
    assert len(stub.UnaryCall(request).payload.body) == 314159


def client_streaming(stub):
    sizes = [27182, 8, 1828, 45904]
    requests = (messages.StreamingInputCallRequest(payload=payload(size)) for size in sizes)
    assert stub.StreamingInputCall(requests).aggregated_payload_size == 74922


def server_streaming(stub):
    sizes = [31415, 9, 2653, 58979]
    replies = stub.StreamingOutputCall(messages.StreamingOutputCallRequest(response_parameters=wanted(sizes)))
    assert [len(one.payload.body) for one in replies] == sizes


def ping_pong(stub):
    """Each message is sent when the answer to the one before it is there."""
    import queue

    sizes = [31415, 9, 2653, 58979]
    asked = queue.Queue()
    ask = lambda size: asked.put(messages.StreamingOutputCallRequest(response_parameters=wanted([size])))
    replies = stub.FullDuplexCall(iter(asked.get, None))
    for size in sizes:
        ask(size)
        assert len(next(replies).payload.body) == size
    asked.put(None)
    assert list(replies) == []


def status_and_message(stub):
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP \U0001f608\t\n"
    status = messages.EchoStatus(code=2, message=message)
    try:
        stub.UnaryCall(messages.SimpleRequest(response_status=status))
    except grpc.RpcError as error:
        assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, message)
    else:
        raise AssertionError("no error")


def custom_metadata(stub):
    sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"))
    request = messages.SimpleRequest(response_size=314159, payload=payload(271828))
    _, call = stub.UnaryCall.with_call(request, metadata=sent)
    assert (INITIAL, "test_initial_metadata_value") in [tuple(one) for one in call.initial_metadata()]
    assert (TRAILING, b"\xab\xab\xab") in [tuple(one) for one in call.trailing_metadata()]


def cancellation(stub):
    """After the first answer, while the server is to send another one much later."""
    wanted_later = messages.ResponseParameters(size=9, interval_us=20_000_000)
    request = messages.StreamingOutputCallRequest(response_parameters=[*wanted([9]), wanted_later])
    replies = stub.StreamingOutputCall(request)
    next(replies)
    replies.cancel()
    try:
        next(replies)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.CANCELLED
    else:
        raise AssertionError("no error")


CASES = [
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    status_and_message,
    custom_metadata,
    cancellation,
]


def ask(address, root=None):
    if root is None:
        channel = grpc.insecure_channel(address)
    else:
        with open(root, "rb") as file:
            channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()))
    with channel:
        stub = services.TestServiceStub(channel)
        for case in CASES:
            case(stub)
            print(case.__name__)


if sys.argv[1] == "serve":
    serve()
else:
    ask(*sys.argv[2:])
