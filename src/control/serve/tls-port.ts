/**
 * The TLS door of the control plane (15012). TLS is made here and not by the gRPC library, so that
 * a client certificate is optional (a new workload has a join token only) and yet one that is
 * shown and does not hold is refused at once; and so that our own certificate can be renewed live.
 */
import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import type { SpiffeId } from '#identity/spiffe-id.ts';
import type { Logger } from '#observe/log.ts';
import type { Authority, ServerCertificate, ServerNames } from '../ca/authority.ts';

export interface TlsPortSettings {
  readonly host: string;
  readonly port: number;
  readonly authority: Authority;
  readonly id: SpiffeId;
  readonly names: ServerNames;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Gets every connection whose handshake is done. */
  readonly accept: (socket: TLSSocket) => void;
}

export interface TlsPort {
  readonly port: number;
  /** Stops listening and forgets the timer; connections are their taker's to end. */
  close(): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** As workloads do: renewed at half its life. */
const RENEWAL_RATIO = 0.5;
const RETRY_MS = 10_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Rejects with the error of `listen` where the port cannot be had. */
export async function openTlsPort(settings: TlsPortSettings): Promise<TlsPort> {
  const { authority, id, names, log, nowMs } = settings;
  const first = await authority.signServer(id, names);
  const server = createServer({
    ...contextOf(first, authority.rootPem),
    requestCert: true,
    // Judged below: a workload that joins has no certificate yet.
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', (error) => log.debug('control.connection-failed', { error: error.message }));
    const certificate = socket.getPeerX509Certificate();
    if (certificate !== undefined && socket.authorized !== true) {
      log.warn('control.rogue-certificate', {
        peer: peerOf(socket),
        reason: String(socket.authorizationError),
      });
      socket.destroy();
      return;
    }
    if (certificate !== undefined) endWith(socket, certificate.validToDate.getTime() - nowMs());
    settings.accept(socket);
  });
  server.on('tlsClientError', (error, socket) => {
    log.debug('control.handshake-failed', { peer: peerOf(socket), error: error.message });
  });

  let timer: NodeJS.Timeout | undefined;
  const renewIn = (waitMs: number): void => {
    timer = setTimeout(() => void renew(), Math.min(Math.max(waitMs, 0), MAX_TIMER_MS)).unref();
  };
  const renew = async (): Promise<void> => {
    try {
      const certificate = await authority.signServer(id, names);
      server.setSecureContext(contextOf(certificate, authority.rootPem));
      renewIn((certificate.notAfterMs - nowMs()) * RENEWAL_RATIO);
    } catch (error) {
      log.error('control.certificate-not-renewed', { error: String(error) });
      renewIn(RETRY_MS);
    }
  };
  renewIn((first.notAfterMs - nowMs()) * RENEWAL_RATIO);

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: settings.host, port: settings.port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close(): Promise<void> {
      clearTimeout(timer);
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/**
 * A connection does not outlive the certificate it was opened with: its proxy comes back with the
 * one it has by then. Ending a stream would not do, for the next one would be on the same connection.
 */
function endWith(socket: TLSSocket, leftMs: number): void {
  const timer = setTimeout(() => socket.destroy(), Math.min(Math.max(leftMs, 0), MAX_TIMER_MS)).unref();
  socket.once('close', () => clearTimeout(timer));
}

/** Without tickets every connection is a full handshake, and shows a certificate that holds today. */
function contextOf(certificate: ServerCertificate, rootPem: string): SecureContextOptions {
  return {
    cert: certificate.certificatePem,
    key: certificate.privateKeyPem,
    ca: rootPem,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

function peerOf(socket: TLSSocket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
