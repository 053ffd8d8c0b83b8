/** The first look at a connection: its ClientHello is read and put back, and a server is chosen by it. */
import type { Duplex } from 'node:stream';
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import { clientHelloBody } from '../listen/client-hello.ts';
import { type HelloFacts, noHello, readHello } from './hello.ts';
import type { Takeover } from './record/takeover.ts';
import type { ServerSet } from './server-set.ts';

export class Handshake<Owner> {
  readonly raw: Duplex;
  readonly owner: Owner;
  readonly #begin: (handshake: Handshake<Owner>, hello: HelloFacts) => void;
  /** What came of a ClientHello that is not complete. */
  #seen: Buffer | undefined;
  /** Those that do it. */
  servers: ServerSet | undefined;
  /** The one we show. */
  certificate: PeerCertificate | undefined;
  /** Such as `X25519`; '' while it is not known. */
  curve = '';
  /** Where the connection leaves OpenSSL after the handshake. */
  takeover: Takeover | undefined;

  /** @param begin called once, unless the connection ends before; what it was told of is back in `raw` */
  constructor(raw: Duplex, owner: Owner, begin: (handshake: Handshake<Owner>, hello: HelloFacts) => void) {
    this.raw = raw;
    this.owner = owner;
    this.#begin = begin;
  }

  read(): void {
    if (this.raw.readableLength > 0 && this.#look()) return;
    const { raw } = this;
    const onReadable = (): void => {
      if (!this.#look()) return;
      raw.off('readable', onReadable);
      raw.off('end', onEnd);
    };
    const onEnd = (): void => {
      raw.destroy();
    };
    raw.on('readable', onReadable);
    raw.on('end', onEnd);
  }

  /** @returns whether enough was there. */
  #look(): boolean {
    const bytes: Buffer | null = this.raw.read();
    if (bytes === null) return false;
    const all = this.#seen === undefined ? bytes : Buffer.concat([this.#seen, bytes]);
    const body = clientHelloBody(all);
    if (body === 'more') {
      // Put back at once, they would be told of again at once, and so on for ever.
      this.#seen = all;
      return false;
    }
    this.#seen = undefined;
    this.raw.unshift(all);
    this.#begin(this, body === 'none' ? noHello : readHello(body));
    return true;
  }
}
