/** What the main thread and a worker say to each other. Resources cross as encoded messages. */
import type { LogFields, LogLevel } from '#observe/log.ts';
import type { HostEvent } from '../cluster/endpoint-health.ts';
import type {
  ClusterStatus,
  EndpointStatus,
  ListenerStatus,
  ListenerStop,
  OpenSocket,
  SecretMaterial,
} from '../contract.ts';
import type { RuntimeEntries } from '../runtime/entry.ts';

/** Asked of a worker; each is answered by a {@link Done} with its number. */
export type Task =
  /** These three make something ready, which a `settle` puts in force or gives up. */
  | {
      readonly kind: 'cluster';
      readonly bytes: Uint8Array;
      readonly counts: SharedArrayBuffer;
      /** What all threads know of its endpoints, where that is the same. */
      readonly hosts: SharedArrayBuffer | undefined;
    }
  | { readonly kind: 'routes'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'listener';
      readonly bytes: Uint8Array;
      readonly counts: SharedArrayBuffer;
      /** For each address the port to take where the listener says 0; empty where it may be any. */
      readonly ports: readonly number[];
    }
  /** Answered when what the task of that number made ready can be put in force. */
  | { readonly kind: 'warm'; readonly staged: number }
  | { readonly kind: 'remove-listener'; readonly name: string }
  | ({ readonly kind: 'stop-listeners' } & ListenerStop)
  | { readonly kind: 'drain'; readonly drainTimeMs: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'listeners' }
  | { readonly kind: 'open-sockets' }
  /** The next of a listing; the first task with its number begins it, an empty answer ends it. */
  | { readonly kind: 'clusters'; readonly listing: number };

/** What each task is answered with. */
export interface Results {
  readonly cluster: undefined;
  readonly routes: undefined;
  /** Addresses as bound. */
  readonly listener: readonly string[];
  readonly warm: undefined;
  readonly 'remove-listener': undefined;
  readonly 'stop-listeners': undefined;
  readonly drain: undefined;
  readonly close: undefined;
  readonly listeners: readonly ListenerStatus[];
  readonly 'open-sockets': readonly OpenSocket[];
  readonly clusters: readonly ListedCluster[];
}

/** A cluster, or a part of one with many endpoints: the next one of that name goes on. */
export interface ListedCluster extends ClusterStatus {
  readonly endpoints: EndpointStatus[];
}

/** Told to a worker: nothing comes back. */
export type Notice =
  /** What becomes of what the task of that number made ready. */
  | { readonly kind: 'settle'; readonly staged: number; readonly commit: boolean }
  | { readonly kind: 'endpoints'; readonly bytes: Uint8Array }
  | { readonly kind: 'secret'; readonly name: string; readonly material: SecretMaterial }
  | { readonly kind: 'forget-endpoints'; readonly name: string }
  /** An Any; undefined: the server has removed it. */
  | { readonly kind: 'extension'; readonly key: string; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'forget-extension'; readonly key: string }
  | { readonly kind: 'answer-hosts'; readonly routes: string; readonly hosts: readonly string[] }
  | { readonly kind: 'remove-cluster'; readonly name: string }
  | { readonly kind: 'remove-routes'; readonly name: string }
  | { readonly kind: 'unhealthy'; readonly unhealthy: boolean }
  /** Another thread tells of a cluster. */
  | { readonly kind: 'hosts'; readonly cluster: string; readonly event: HostEvent }
  /** Values of the runtime, all of them. */
  | { readonly kind: 'runtime'; readonly entries: RuntimeEntries }
  | { readonly kind: 'leave-paths' }
  | { readonly kind: 'reopen-logs' };

export type ToWorker = Notice | (Task & { readonly id: number });

export interface Done {
  readonly kind: 'done';
  readonly id: number;
  readonly result?: unknown;
  /** The message of the error; absent where it went well. */
  readonly error?: string;
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | Done
  /** For the other threads. */
  | { readonly kind: 'hosts'; readonly cluster: string; readonly event: HostEvent }
  /** A request waits for a virtual host. */
  | { readonly kind: 'demand-host'; readonly routes: string; readonly host: string }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly event: string; readonly fields: LogFields };
