/** The client's end of an HTTP/2 connection: streams are opened here. */
import type { HeaderList } from '../../header-list.ts';
import { H2Connection } from './connection.ts';
import { H2Stream, type H2StreamHandler } from './stream.ts';

export class H2ClientConnection extends H2Connection {
  /** Streams that may be open at once: the peer's limit or our own. */
  get maxStreams(): number {
    return this.options.maxConcurrentStreams;
  }

  /** Whether one more request can be sent now. */
  get canOpen(): boolean {
    return !this.closed && !this.draining && this.streamsActive < this.maxStreams;
  }

  /** Whether the peer takes extended CONNECT (RFC 8441 §3). Known once its SETTINGS came. */
  get peerAllowsConnect(): boolean {
    return false;
  }

  /** A stream to send a request on, in this tick; {@link canOpen} must hold. */
  open(handler: H2StreamHandler): H2Stream {
    return new H2Stream(this, handler);
  }

  override sendRequest(
    stream: H2Stream,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
    endStream: boolean,
  ): void {
    void [stream, method, scheme, authority, path, protocol, headers, endStream];
  }
}
