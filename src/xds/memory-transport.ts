/** A transport within one process: for tests, and for planes that share a process. Messages cross it as bytes. */
import {
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type Message,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type MessageStream,
  type StreamEvents,
  type Transport,
  TransportError,
  type TransportStatus,
} from './transport.ts';

/** The server's end of a stream. */
export interface ServedStream {
  /** `package.Service/Method`. */
  readonly method: string;
  send(message: Message): void;
  end(status: TransportStatus): void;
}

export interface MemoryServer {
  /** A client opened a stream. Returns what to do with its messages. */
  onStream(stream: ServedStream): { onMessage(message: Message): void; onEnd(status: TransportStatus): void };
  onCall?(method: string, request: Message): Message | Promise<Message>;
}

const ok: TransportStatus = { code: 0, detail: '' };
const cancelled: TransportStatus = { code: 1, detail: 'cancelled' };
const unimplemented: TransportStatus = { code: 12, detail: 'the server has no such method' };
const unknown = 2;

const nameOf = (method: { readonly parent: { readonly typeName: string }; readonly name: string }): string =>
  `${method.parent.typeName}/${method.name}`;

/** Messages arrive in order, in a later microtask than they were sent. */
export function createMemoryTransport(server: MemoryServer): Transport {
  const open = new Set<() => void>();

  function stream<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodBiDiStreaming<In, Out>,
    events: StreamEvents<MessageShape<Out>>,
  ): MessageStream<MessageShape<In>> {
    let ended = false;
    const later = (act: () => void): void =>
      queueMicrotask(() => {
        if (!ended) act();
      });
    const end = (status: TransportStatus, tellServer: boolean): void => {
      ended = true;
      open.delete(cancel);
      if (tellServer) served.onEnd(status);
      events.onEnd(status);
    };
    const cancel = (): void => later(() => end(cancelled, true));
    const served = server.onStream({
      method: nameOf(method),
      send(message): void {
        const bytes = toBinary<DescMessage>(method.output, message);
        later(() => events.onMessage(fromBinary(method.output, bytes)));
      },
      end: (status) => later(() => end(status, false)),
    });
    open.add(cancel);
    later(() => events.onOpen?.());
    return {
      send(message): void {
        const bytes = toBinary(method.input, message);
        later(() => served.onMessage(fromBinary(method.input, bytes)));
      },
      finish: () => later(() => served.onEnd(ok)),
      cancel,
    };
  }

  async function call<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodUnary<In, Out>,
    request: MessageShape<In>,
  ): Promise<MessageShape<Out>> {
    if (server.onCall === undefined) throw new TransportError(unimplemented);
    const asked = fromBinary(method.input, toBinary(method.input, request));
    try {
      const reply = await server.onCall(nameOf(method), asked);
      return fromBinary(method.output, toBinary<DescMessage>(method.output, reply));
    } catch (cause) {
      if (cause instanceof TransportError) throw cause;
      throw new TransportError({ code: unknown, detail: String(cause) }, { cause });
    }
  }

  return {
    stream,
    call,
    close(): void {
      for (const cancel of [...open]) cancel();
    },
  };
}
