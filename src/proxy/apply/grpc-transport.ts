/** The transport of room `xds` over gRPC, on our own HTTP/2. Each stream has a connection of its own. */
import {
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { grpcStatus } from '#http/grpc-status.ts';
import {
  type CallOptions,
  type MessageStream,
  type StreamEvents,
  type Transport,
  TransportError,
} from '#xds/transport.ts';
import { GrpcCall } from './grpc-call.ts';
import type { ChannelTarget } from './grpc-channel.ts';
import { GrpcInbox } from './grpc-inbox.ts';

/** @param target may throw: the stream then ends as unavailable, with that reason, and is tried again. */
export function createGrpcTransport(target: () => ChannelTarget): Transport {
  return new GrpcTransport(target);
}

class GrpcTransport implements Transport {
  readonly #target: () => ChannelTarget;
  /** What ends the calls that are open. */
  readonly #open = new Set<() => void>();

  constructor(target: () => ChannelTarget) {
    this.#target = target;
  }

  stream<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodBiDiStreaming<In, Out>,
    events: StreamEvents<MessageShape<Out>>,
    options?: CallOptions,
  ): MessageStream<MessageShape<In>> {
    const inbox = new GrpcInbox(method.output, {
      onMessage: (message) => events.onMessage(message),
      onEnd: (status) => events.onEnd(status),
      onMalformed: (detail) => call.fail(detail),
    });
    const call = new GrpcCall(this.#target, pathOf(method), options?.metadata ?? {}, {
      onOpen: () => events.onOpen?.(),
      onMessage: (message) => inbox.take(message),
      onEnd: (status) => {
        this.#open.delete(cancel);
        inbox.end(status);
      },
    });
    const cancel = (): void => {
      inbox.drop();
      call.cancel();
    };
    this.#open.add(cancel);
    return {
      send: (message) => call.send(toBinary(method.input, message)),
      finish: () => call.finish(),
      cancel,
    };
  }

  call<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodUnary<In, Out>,
    request: MessageShape<In>,
    options?: CallOptions & { readonly timeoutMs?: number },
  ): Promise<MessageShape<Out>> {
    return new Promise((resolve, reject) => {
      let answer: MessageShape<Out> | undefined;
      let timer: NodeJS.Timeout | undefined;
      const call = new GrpcCall(this.#target, pathOf(method), options?.metadata ?? {}, {
        onOpen: () => {},
        onMessage: (message) => {
          answer = fromBinary(method.output, message);
        },
        onEnd: (status) => {
          clearTimeout(timer);
          this.#open.delete(cancel);
          if (status.code === grpcStatus.ok && answer !== undefined) resolve(answer);
          else if (status.code !== grpcStatus.ok) reject(new TransportError(status));
          else reject(new TransportError({ code: grpcStatus.internal, detail: 'the server sent no answer' }));
        },
      });
      const cancel = (): void => call.cancel();
      this.#open.add(cancel);
      const { timeoutMs } = options ?? {};
      if (timeoutMs !== undefined) {
        timer = setTimeout(() => {
          reject(new TransportError({ code: grpcStatus.deadlineExceeded, detail: 'no answer in time' }));
          call.cancel();
        }, timeoutMs);
      }
      call.send(toBinary(method.input, request));
      call.finish();
    });
  }

  close(): void {
    for (const cancel of [...this.#open]) cancel();
  }
}

function pathOf(method: { readonly parent: { readonly typeName: string }; readonly name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}
