/**
 * The border between configuration and traffic inside the proxy: `apply/` hands in messages of the
 * waist, the data path validates and compiles them, and swaps them in without failing a request.
 * Nothing here reads files or speaks xDS.
 */
import type { EventEmitter } from 'node:events';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { HostEvent } from './cluster/endpoint-health.ts';
import type { HeldText } from './held-text.ts';
import type { Wanted } from './resource-source.ts';
import type { CertificateMaterial } from './tls/certificate-material.ts';
import type { ValidationRules } from './tls/validation-rules.ts';

/** What a `Secret` resource becomes: PEM texts. A private key is never logged or dumped. */
export interface SecretMaterial {
  /** Leaf first. Absent in a validation context. */
  readonly certificateChainPem?: string;
  readonly privateKeyPem?: string;
  /** Trusted roots. Absent in a TLS certificate. */
  readonly trustedCaPem?: string;
  /** All of a TLS certificate; absent where it is but a chain and a key. */
  readonly certificate?: CertificateMaterial;
  /** All of a validation context; absent where it is but roots. */
  readonly validation?: ValidationRules;
  /** The first one makes session tickets, all of them open some. */
  readonly sessionTicketKeys?: readonly Uint8Array[];
}

/**
 * Secrets by what they are called in here. Emits `change` with the key after `set`; TLS contexts follow without
 * dropping connections.
 */
export interface SecretStore extends EventEmitter<{ change: [name: string] }> {
  get(name: string): SecretMaterial | undefined;
  set(name: string, material: SecretMaterial): void;
  /** Nobody is told: what serves with it goes on. */
  delete(name: string): void;
  names(): readonly string[];
}

/** What must be there before something can serve (warming, xDS protocol "Resource warming"). */
export interface Dependencies {
  /** RouteConfigurations asked for by RDS. */
  readonly routes: readonly Wanted[];
  /** ClusterLoadAssignments asked for by EDS. */
  readonly endpoints: readonly Wanted[];
  /** Secrets asked for by SDS. */
  readonly secrets: readonly Wanted[];
  /** Configurations of filters asked for by ECDS. */
  readonly extensions: readonly WantedExtension[];
  /** Where the virtual hosts of a RouteConfiguration come from one by one (VHDS); its key is that of the routes. */
  readonly virtualHosts?: Wanted | undefined;
}

/** Where a filter stands whose configuration comes by name, as statistics call it. */
export type FilterKind = 'http' | 'network' | 'tcp_listener';

export interface WantedExtension extends Wanted {
  readonly kind: FilterKind;
  /** Whether who names it does not serve before it is there. */
  readonly isAwaited: boolean;
  /** What is wrong with a configuration for the one that names it; paths begin with `typed_config`. */
  judge(config: Any): readonly Problem[];
}

/** A validated and compiled resource that is not yet in force. */
export interface Prepared {
  readonly name: string;
  readonly dependencies: Dependencies;
  /** Puts it in force; a listener binds its sockets here (rejects when it cannot). The predecessor drains. */
  install(): Promise<void>;
  /**
   * Absent where it can serve as soon as its dependencies are there. Else resolves when it can be installed, which
   * may take long; others are installed meanwhile.
   */
  warm?(): Promise<void>;
  /** It will not be installed: what was made for it, or begun by `warm`, goes. Nothing happens where it is in force. */
  abandon?(): void;
}

/** What is ready to serve, and not yet in the place of the one before. */
export interface Staged {
  /** In force when this returns; the predecessor drains until what is returned resolves. */
  commit(): Promise<void>;
  /** Closes what it opened; the predecessor goes on as before. */
  abandon(): void;
  /** Resolves when it can be put in force; absent: at once. */
  warm?(): Promise<void>;
}

/** A listener accepts already. */
export interface StagedListener extends Staged {
  /** As bound; '' for an address another thread has. */
  readonly addresses: readonly string[];
}

/** Can be put in force in two halves, so that several threads do so together or not at all. */
export interface LocalPrepared extends Prepared {
  /** The first half of `install`: everything that can fail. */
  stage(): Promise<Staged>;
}

export interface PreparedListener extends LocalPrepared {
  /** @param ports for each address, the one to take where port 0 was asked for. */
  stage(ports?: readonly number[]): Promise<StagedListener>;
}

/** What may take long with large resources is done in steps, between which traffic can be served. */
export interface DataPath {
  /**
   * Everything wrong with the message is in the problems, with its path; the running version is untouched.
   *
   * @param text of its bytes, where somebody keeps that anyway
   */
  prepareCluster(cluster: Cluster, text?: HeldText): Steps<Parsed<Prepared>>;
  prepareListener(listener: Listener): Steps<Parsed<Prepared>>;
  prepareRoutes(routes: RouteConfiguration): Steps<Parsed<Prepared>>;
  /**
   * Takes effect with the last step, in place; pools of endpoints that stay are kept.
   *
   * @param text of its bytes, where somebody keeps that anyway
   */
  setEndpoints(assignment: ClusterLoadAssignment, text?: HeldText): Steps<readonly Problem[]>;
  /** No cluster names them any more. */
  forgetEndpoints(name: string): void;
  /** What requests waited for is known: virtual hosts of a table in force, or that there are none for these. */
  answerHosts(routes: string, hosts: readonly string[]): void;
  /** For the requests that come from now on. @param config undefined: the server has removed it */
  setExtension(key: string, config: Any | undefined): void;
  /** No listener names it any more; what drains goes on with it. */
  forgetExtension(key: string): void;
  /** Out of force with the first step. */
  removeCluster(name: string): Steps<void>;
  /** Stops accepting at once, lets what runs finish within the drain time. */
  removeListener(name: string): Promise<void>;
  removeRoutes(name: string): void;
  /** No connection is taken any more; those there are go on. */
  stopListeners(stop: ListenerStop): Promise<void>;
  /** All that listen, by thread; for a process that takes the place of this one. */
  openSockets(): readonly OpenSocket[] | Promise<readonly OpenSocket[]>;
  /** From now on Unix sockets leave their paths behind: another process listens there. */
  leavePaths(): void;
  /** Graceful: `connection: close` on what runs, stop accepting. Resolves when idle or after `drainTimeMs`. */
  drain(drainTimeMs: number): Promise<void>;
  /** While health checks are made to fail, connections end with their responses (Envoy, `drain_type`). */
  setUnhealthy(unhealthy: boolean): void;
  /** Closes everything now. */
  close(): Promise<void>;
  /** For the admin interface. */
  listeners(): readonly ListenerStatus[] | Promise<readonly ListenerStatus[]>;
  /** Each as it is when it is come to. */
  clusters(): Iterable<ClusterStatus> | AsyncIterable<ClusterStatus>;
}

/** A listening socket of one thread. */
export interface OpenSocket {
  /** The address that configuration asks for; with port 0 the name of the listener before it. */
  readonly key: string;
  /** A second descriptor, which belongs to who asked. */
  readonly fd: number;
}

/** Envoy, `/drain_listeners`. */
export interface ListenerStop {
  /** Absent: all. */
  readonly names?: readonly string[];
  /** So long before, responses ask for the end of their connections; 0 for not at all. */
  readonly noticeMs: number;
  /** Whether the notice is all, and listeners stay open. */
  readonly staysOpen: boolean;
}

/** A data path of this thread. */
export interface LocalDataPath extends DataPath {
  prepareCluster(cluster: Cluster, text?: HeldText): Steps<Parsed<LocalPrepared>>;
  prepareRoutes(routes: RouteConfiguration): Steps<Parsed<LocalPrepared>>;
  prepareListener(listener: Listener): Steps<Parsed<PreparedListener>>;
  listeners(): readonly ListenerStatus[];
  openSockets(): readonly OpenSocket[];
  clusters(): Iterable<ClusterStatus>;
  /** Values of the runtime have changed. */
  onRuntime(): void;
  /** Another thread tells of a cluster. */
  hearThreads(cluster: string, event: HostEvent): void;
  /** What will happen by itself: of connections that are gone there is nothing among it. */
  readonly armedTimers: number;
}

export interface ListenerStatus {
  readonly name: string;
  /** `127.0.0.1:8080` as bound (the real port where 0 was asked for). */
  readonly addresses: readonly string[];
  readonly state: 'active' | 'draining';
  readonly activeConnections: number;
}

export interface EndpointStatus {
  readonly address: string;
  /** What is known against it; see `cluster/health.ts`. */
  readonly flags: number;
  readonly hostname: string;
  /** Percents of the last interval of outlier detection; -1: not known. */
  readonly successRate: number;
  readonly localOriginSuccessRate: number;
  /** Whether its metadata calls it one. */
  readonly isCanary: boolean;
  readonly weight: number;
  readonly priority: number;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  /** Envoy's per-host stats: cx_active, cx_connect_fail, cx_total, rq_active, rq_error, rq_success, rq_timeout, rq_total. */
  readonly stats: Readonly<Record<string, number>>;
}

/** Percents of the last interval; -1: not known. */
export interface SuccessRates {
  readonly average: number;
  readonly ejectionThreshold: number;
}

/** Of what endpoints answered, and of connections to them. */
export interface OutlierStatus {
  readonly external: SuccessRates;
  readonly local: SuccessRates;
}

export interface ClusterStatus {
  readonly name: string;
  /** Undefined where nothing is watched. */
  readonly outlier: OutlierStatus | undefined;
  readonly addedViaApi: boolean;
  /** Thousands, perhaps. */
  readonly endpoints: Iterable<EndpointStatus>;
}
