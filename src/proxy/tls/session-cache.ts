/**
 * Sessions of TLS 1.2 that are kept here and not by the client, where a context makes no tickets
 * (RFC 5246 §7.3). Those of TLS 1.3 are not kept, as in Envoy.
 */
import type { Server } from 'node:tls';
import { derChildren, derTag, readDer } from '#identity/der-reader.ts';

/** BoringSSL keeps as many. */
const MAX_SESSIONS = 20 * 1024;
const TLS12 = 0x0303;

export class SessionCache {
  readonly #sessions = new Map<string, Buffer>();

  /** Has a server keep its sessions here. */
  attach(server: Server): void {
    server.on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
      if (isOfTls12(session)) this.#keep(id.toString('latin1'), session);
      done();
    });
    server.on('resumeSession', (id: Buffer, done: (error: Error | null, session: Buffer | null) => void) => {
      done(null, this.#sessions.get(id.toString('latin1')) ?? null);
    });
  }

  #keep(id: string, session: Buffer): void {
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    this.#sessions.set(id, session);
  }
}

/** SEQUENCE { version, version of TLS, … } */
function isOfTls12(session: Buffer): boolean {
  try {
    const version = derChildren(session, readDer(session, 0))[1];
    if (version?.tag !== derTag.integer) return false;
    return session.readUIntBE(version.start, Math.min(4, version.end - version.start)) === TLS12;
  } catch {
    return false;
  }
}
