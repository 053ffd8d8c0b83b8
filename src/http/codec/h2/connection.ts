/** An HTTP/2 connection (RFC 9113), as both ends have it. Bytes come in by `receive` and go out by an {@link H2Output}. */
import type { HeaderList } from '../../header-list.ts';
import type { H2ConnectionEvents, H2Surroundings } from './connection-events.ts';
import { errorCode } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2Output } from './output.ts';
import type { H2Stream } from './stream.ts';

/** Writes frames; for streams. */
export interface StreamSender {
  response(stream: H2Stream, status: number, headers: HeaderList, endStream: boolean): void;
  data(stream: H2Stream, data: Buffer, endStream: boolean, borrowed: boolean): void;
  trailers(stream: H2Stream, headers: HeaderList): void;
  end(stream: H2Stream): void;
}

export abstract class H2Connection {
  readonly options: H2Options;
  readonly output: H2Output;
  readonly events: H2ConnectionEvents;
  readonly surroundings: H2Surroundings;
  declare readonly sender: StreamSender;
  /** Nothing is read or written any more. */
  closed = false;
  /** A GOAWAY was received, or one that excludes streams was sent. */
  draining = false;

  constructor(
    output: H2Output,
    events: H2ConnectionEvents,
    options: H2Options,
    surroundings: H2Surroundings,
  ) {
    this.output = output;
    this.events = events;
    this.options = options;
    this.surroundings = surroundings;
  }

  /** Streams that are open. */
  get streamsActive(): number {
    return 0;
  }

  /** SETTINGS, and what precedes them. To be called once, before anything else. */
  start(): void {}

  /** Bytes from the peer, split anywhere. `chunk` must stay as it is until this returns. */
  receive(chunk: Buffer): void {
    void chunk;
  }

  /** The output has room again, or is drained. */
  onWritable(): void {}

  /** The peer closed its side, or the socket is gone: open streams end as 'connection'. */
  onEnd(): void {}

  /** Writes now what was gathered; otherwise it goes out at the end of the tick. */
  flush(): void {}

  /** GOAWAY that excludes nothing yet (RFC 9113 §6.8): no new streams, please. */
  announceShutdown(): void {}

  /** GOAWAY with the last stream that will be answered; the connection ends when its streams have. */
  goAway(code: number = errorCode.noError): void {
    void code;
  }

  /** GOAWAY and the end, at once: open streams end as 'connection'. */
  destroy(code: number = errorCode.noError): void {
    void code;
  }

  /** For {@link H2Stream}. */
  abstract sendRequest(
    stream: H2Stream,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
    endStream: boolean,
  ): void;

  /** For {@link H2Stream}. */
  resetStream(stream: H2Stream, code: number): void {
    void [stream, code];
  }

  /** For {@link H2Stream}: gives the peer back what a stream that is read again has taken. */
  creditStream(stream: H2Stream): void {
    void stream;
  }
}
