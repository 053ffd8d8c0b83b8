/**
 * The gRPC doors of the control plane: 15010 in plaintext for this host alone, where nothing secret
 * is to be had, and 15012 over TLS for discovery by authenticated proxies and for certificates.
 */
import { isIPv4, isIPv6 } from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { CONTROL_PLANE_ACCOUNT, CONTROL_PLANE_DNS_NAMES } from '#identity/control-plane-name.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import type { Logger } from '#observe/log.ts';
import type { Authority } from '../ca/authority.ts';
import { openTlsPort } from './tls-port.ts';

/** One gRPC service with its handlers. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export interface PortsSettings {
  /** Address both ports listen on, such as `127.7.0.1`. */
  readonly host: string;
  /** Of the plaintext port, where whoever starts us has seen to it that nobody else reaches it; absent: `host`. */
  readonly plaintextHost?: string | undefined;
  readonly plaintextPort: number;
  readonly tlsPort: number;
  readonly plaintextServices: readonly GrpcService[];
  readonly tlsServices: readonly GrpcService[];
  readonly authority: Authority;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export interface Ports {
  readonly plaintextPort: number;
  readonly tlsPort: number;
  /** Ends every stream and stops listening. */
  close(): Promise<void>;
}

/** A peer that vanished without a word is noticed within twice this time. */
const KEEPALIVE_MS = 30_000;

const serverOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
  // A reconnecting proxy lists every resource it holds; a full push holds all of them.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
  'grpc.max_send_message_length': -1,
} as const;

/** Rejects where a port is taken or the plaintext port would be open to other hosts. */
export async function openPorts(settings: PortsSettings): Promise<Ports> {
  const { host, plaintextHost, authority, log, nowMs } = settings;
  if (plaintextHost === undefined && !isLoopback(host)) {
    throw new Error(
      `plaintext discovery is for this host alone, and ${host} is not a loopback address: say where it may listen (--plaintext-address)`,
    );
  }
  const plaintext = serverOf(settings.plaintextServices);
  const plaintextPort = await bind(plaintext, plaintextHost ?? host, settings.plaintextPort);
  const secured = serverOf(settings.tlsServices);
  // The socket that is injected is a TLS socket already: to the library it is a plain connection.
  const injector = secured.createConnectionInjector(ServerCredentials.createInsecure());
  try {
    const tls = await openTlsPort({
      host,
      port: settings.tlsPort,
      authority,
      id: workloadId(authority.trustDomain, CONTROL_PLANE_ACCOUNT),
      names: { dnsNames: CONTROL_PLANE_DNS_NAMES, ipAddresses: [host] },
      log,
      nowMs,
      accept: (socket) => injector.injectConnection(socket),
    });
    return {
      plaintextPort,
      tlsPort: tls.port,
      async close(): Promise<void> {
        const closed = tls.close();
        plaintext.forceShutdown();
        injector.destroy();
        secured.forceShutdown();
        await closed;
      },
    };
  } catch (error) {
    plaintext.forceShutdown();
    injector.destroy();
    throw error;
  }
}

function serverOf(services: readonly GrpcService[]): Server {
  const server = new Server(serverOptions);
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  return server;
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new Error(`${address} cannot be listened on: ${error.message}`, { cause: error }));
    });
  });
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
