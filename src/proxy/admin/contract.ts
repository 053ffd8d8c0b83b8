/** What the admin interface may see and do, and the shape of one of its pages. */
import type { JsonValue } from '@bufbuild/protobuf';
import type { Logger } from '#observe/log.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { CommandLineOptions } from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import type { ResourceTable } from '../apply/resource-table.ts';
import type { HeldBootstrap } from '../bootstrap/held-bootstrap.ts';
import type { DataPath, FilterKind, SecretStore } from '../contract.ts';
import type { ProcessRuntime } from '../runtime/runtime.ts';
import { jsonPieces, type LazyJson } from './json-pieces.ts';

/** Envoy's states of a server. */
export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

export interface AdminView {
  readonly metrics: Metrics;
  readonly dataPath: DataPath;
  readonly table: ResourceTable;
  /** Of those whose configuration is that resource. */
  filterKinds(extension: string): ReadonlySet<FilterKind>;
  readonly secrets: SecretStore;
  readonly runtime: ProcessRuntime;
  readonly bootstrap: HeldBootstrap;
  readonly commandLine: CommandLineOptions;
  /** Such as `heddle/0.1.0`. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly log: Logger;
  state(): ServerState;
  /** What is accepted and waits for something, such as `listener 0.0.0.0_8080`. */
  warming(): readonly string[];
  readonly actions: AdminActions;
}

export interface ListenerDrain {
  /** Whether responses ask for the end of their connections for the drain time before. */
  readonly graceful: boolean;
  readonly inboundOnly: boolean;
  /** Whether listeners stay open after that. */
  readonly skipExit: boolean;
}

export interface AdminActions {
  /** Resolves when they are stopped. */
  drainListeners(options: ListenerDrain): Promise<void>;
  /** While failed, `/ready` says so. */
  setHealthFailed(failed: boolean): void;
  /** Ends the process after the answer was sent. */
  quit(): void;
  reopenLogs(): void;
  /** Resolves when another process serves in the place of this one, or to why there is none. */
  hotRestart(): Promise<
    { readonly ok: true; readonly pid: number } | { readonly ok: false; readonly reason: string }
  >;
}

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  /** What may be long is made in pieces while it is sent; '' where others may run. */
  readonly body: string | Iterable<string> | AsyncIterable<string>;
}

export interface AdminPage {
  /** Such as `/stats`. */
  readonly path: string;
  /** Whether it changes something: it answers POST only then. */
  readonly method: 'GET' | 'POST';
  readonly help: string;
  /** What may be asked for with it, and what that means. */
  readonly parameters?: Readonly<Record<string, string>>;
  answer(query: URLSearchParams, view: AdminView): AdminReply | Promise<AdminReply>;
}

export const ok: AdminReply = {
  status: 200,
  contentType: 'text/plain; charset=UTF-8',
  body: 'OK\n',
};

export function textReply(body: string, status = 200): AdminReply {
  return { status, contentType: 'text/plain; charset=UTF-8', body };
}

/** The same as `jsonReply`, made while it is sent. */
export function lazyJsonReply(value: LazyJson): AdminReply {
  return { status: 200, contentType: 'application/json', body: withLineEnd(jsonPieces(value)) };
}

function* withLineEnd(pieces: Iterable<string>): Generator<string, void, undefined> {
  yield* pieces;
  yield '\n';
}

/** Envoy indents by one space. */
export function jsonReply(value: JsonValue): AdminReply {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` };
}
