/** The server's end of an HTTP/2 connection: streams come from the peer. */
import { H2Connection } from './connection.ts';

export class H2ServerConnection extends H2Connection {
  override sendRequest(): void {}
}
