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
    this.raw.unshift(bytes);
    const body = clientHelloBody(bytes);
    if (body === 'more') {
      // Asks for more than is there, so that `readable` comes again with the next bytes.
      this.raw.read(0);
      return false;
    }
    this.#begin(this, body === 'none' ? noHello : readHello(body));
    return true;
  }
}
