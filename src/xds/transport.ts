/**
 * How messages travel between client and server: what the streams of room `xds` need of gRPC, and no more.
 * Implementations live where sockets may be opened.
 */
import type { DescMessage, DescMethodBiDiStreaming, DescMethodUnary, MessageShape } from '@bufbuild/protobuf';

/** How a stream or call ended: a gRPC status, 0 for OK. */
export interface TransportStatus {
  readonly code: number;
  /** In the peer's or the network's words, such as "connect ECONNREFUSED 127.0.0.1:15010". */
  readonly detail: string;
}

/** A call that failed, with its gRPC status. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly status: TransportStatus;

  constructor(status: TransportStatus, options?: ErrorOptions) {
    super(status.detail, options);
    this.status = status;
  }
}

export interface StreamEvents<In> {
  /** The peer is there and has accepted the stream; comes before the first message. */
  onOpen?(): void;
  onMessage(message: In): void;
  /** Comes exactly once, last, whoever ended it. */
  onEnd(status: TransportStatus): void;
}

export interface MessageStream<Out> {
  /** After the end, does nothing. */
  send(message: Out): void;
  /** Says that nothing more will be sent; what the peer still sends is received. */
  finish(): void;
  /** Ends the stream at once, with code 1 (CANCELLED). */
  cancel(): void;
}

export interface CallOptions {
  /** Headers, lower-case names. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A way to one server. Connects when it is first used and again for each stream opened after a failure. */
export interface Transport {
  stream<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodBiDiStreaming<In, Out>,
    events: StreamEvents<MessageShape<Out>>,
    options?: CallOptions,
  ): MessageStream<MessageShape<In>>;

  /** Rejects with {@link TransportError}. */
  call<In extends DescMessage, Out extends DescMessage>(
    method: DescMethodUnary<In, Out>,
    request: MessageShape<In>,
    options?: CallOptions & { readonly timeoutMs?: number },
  ): Promise<MessageShape<Out>>;

  /** Ends what is open. */
  close(): void;
}
