/** TLS over a connection whose bytes the test has a hand in. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** A connection that TLS runs over and that more can be written to besides. */
export class OpenWire extends Duplex {
  readonly raw: Socket;
  /** What is written while it is defined waits there. */
  held: Buffer[] | undefined;

  constructor(raw: Socket) {
    super();
    this.raw = raw;
    raw.on('data', (bytes: Buffer) => this.push(bytes));
    raw.on('end', () => this.push(null));
    raw.on('error', () => this.push(null));
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.held === undefined) this.raw.write(bytes);
    else this.held.push(bytes);
    done();
  }
}
