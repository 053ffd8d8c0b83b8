/**
 * A script of what a management server says, played to Envoy and to Heddle: both must ask, answer and decide
 * alike. What is looked at after each step: the requests since the one before, what is in force, and what HTTP
 * listeners answer.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { create, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import type {
  DeltaDiscoveryResponse,
  DiscoveryResponse,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { serviceOfTypeUrl } from '#xds/resource-type.ts';
import { eventually } from '../../support/eventually.ts';
import {
  isDelta,
  type ManagementRequest,
  type ManagementServer,
  type ManagementStream,
  startManagementServer,
} from '../../support/management-server.ts';
import { requirePeer } from '../../support/peer.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { ask } from './ask.ts';
import { type HeldBackend, startBackend } from './backend.ts';
import { deltaOf, stateOf } from './resources.ts';

export interface Places {
  /** Ports of the management servers. */
  readonly servers: readonly number[];
  /** Ports of upstreams. */
  readonly backends: readonly number[];
  readonly folder: string;
}

export interface Scene {
  readonly servers: readonly ManagementServer[];
  readonly backends: readonly HeldBackend[];
  readonly folder: string;
  /** Port of a listener. */
  port(name: string): Promise<number>;
  /** A line that is compared too. */
  note(line: string): void;
  /** Sends it on the newest stream of the first server, and waits for the answer unless told otherwise. */
  send(response: JsonObject, more?: SendOptions): Promise<void>;
  /** Waits until no cluster of that name is in force, of those that were sent. */
  gone(cluster: string): Promise<void>;
  /** Waits until so many listeners were removed since it started, and none of them drains any more. */
  drained(removed: number): Promise<void>;
  /** Begins a request; what comes of it is looked at as long as it waits. */
  ask(label: string, listener: string, request: Asked): Promise<Asking>;
}

export interface Asked {
  readonly host: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Whether more of the body comes later. */
  readonly isOpen?: boolean;
}

/** A request that the client can go on with, or give up. */
export type Asking = ClientRequest;

export interface SendOptions {
  readonly scope?: ManagementStream['scope'];
  readonly server?: number;
  /** The bytes that are sent in the place of those of each resource. */
  readonly alter?: (bytes: Uint8Array) => Uint8Array;
  /** Not waited for: Envoy answers for clusters when none warms any more. */
  readonly unanswered?: true;
}

export interface Step {
  readonly name: string;
  play(scene: Scene): Promise<void> | void;
  /** What Envoy shows, line by line; each must be among them. */
  readonly envoy: readonly RegExp[];
  /** Names in `/stats` that must be equal. */
  readonly stats?: readonly string[];
  /** Those of which only is looked at whether they are 0: how often listeners are asked depends on time. */
  readonly counted?: readonly string[];
}

/** Rejects where nothing is said of the listener. */
export type Ask = (port: number) => Promise<string>;

export interface Script {
  readonly name: string;
  readonly bootstrap: (places: Places) => JsonObject;
  readonly servers?: number;
  readonly backends?: number;
  /** Of both proxies. */
  readonly flags?: readonly string[];
  readonly steps: readonly Step[];
  /** Whether nobody but the steps asks the listeners. */
  readonly quiet?: boolean;
  /** Threads of each; absent: one. */
  readonly concurrency?: number;
  /** Whether values of the runtime are looked at. */
  readonly runtime?: boolean;
  /** Requests are not compared: which come depends on time. */
  readonly onlyDecisions?: boolean;
  /** What a listener says on that port; absent: {@link ask}. */
  readonly ask?: Ask;
}

/** How long a step may take to become what it is; it is looked at until nothing changes. */
const SETTLE_MS = 6000;
const LOOK_MS = 40;
const STEADY_LOOKS = 8;

/** Registers a test for each script. */
export function playScripts(suite: string, scripts: readonly Script[]): void {
  describe(suite, { timeout: 600_000 }, () => {
    for (const script of scripts) test(script.name, (t) => playBoth(t, script));
  });
}

async function playBoth(t: TestContext, script: Script): Promise<void> {
  const envoy = requirePeer(t, 'envoy');
  if (envoy === undefined) return;
  const folder = tempDir(t);
  const theirs = await Subject.start(t, 'envoy', script, { envoy, folder: join(folder, 'envoy') });
  const ours =
    process.env.HEDDLE_INTEROP_ONLY === 'envoy'
      ? undefined
      : await Subject.start(t, 'heddle', script, { envoy, folder: join(folder, 'heddle') });
  for (const step of script.steps) {
    const meets = (lines: readonly string[]): boolean =>
      step.envoy.every((wanted) => lines.some((line) => wanted.test(line)));
    const [reference, own] = await Promise.all([
      theirs.perform(step, meets),
      ours?.perform(step, () => false),
    ]);
    if (process.env.HEDDLE_INTEROP_SHOW !== undefined) t.diagnostic(`${step.name}\n${reference.join('\n')}`);
    for (const wanted of step.envoy) {
      if (!reference.some((line) => wanted.test(line)))
        assert.fail(
          `${step.name}: Envoy does not show ${wanted}:\n${reference.join('\n')}\n${theirs.output.slice(-2000)}`,
        );
    }
    if (own === undefined) continue;
    const decisions = (lines: readonly string[]): string =>
      lines.filter((line) => script.onlyDecisions !== true || !line.startsWith('asks')).join('\n');
    if (decisions(own) !== decisions(reference)) {
      assert.fail(
        `${step.name}\n--- Envoy\n${decisions(reference)}\n--- Heddle\n${decisions(own)}\n${ours!.output.slice(-1500)}`,
      );
    }
  }
}

class Subject {
  output = '';
  readonly #folder: string;
  readonly #servers: readonly ManagementServer[];
  readonly #backends: readonly HeldBackend[];
  readonly #asked: string[];
  readonly #showsRuntime: boolean;
  readonly #isQuiet: boolean;
  /** What becomes of each request that was begun; undefined: it waits. */
  readonly #answers = new Map<string, string | undefined>();

  readonly #ask: Ask;

  #notes: string[] = [];

  private constructor(
    child: ChildProcess,
    parts: {
      folder: string;
      servers: readonly ManagementServer[];
      backends: readonly HeldBackend[];
      asked: string[];
      script: Script;
    },
  ) {
    this.#folder = parts.folder;
    this.#servers = parts.servers;
    this.#backends = parts.backends;
    this.#asked = parts.asked;
    this.#showsRuntime = parts.script.runtime === true;
    this.#ask = parts.script.ask ?? ask;
    this.#isQuiet = parts.script.quiet === true;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (text) => (this.output += String(text)));
  }

  static async start(
    t: TestContext,
    name: 'envoy' | 'heddle',
    script: Script,
    { envoy, folder }: { envoy: string; folder: string },
  ): Promise<Subject> {
    mkdirSync(folder, { recursive: true });
    const asked: string[] = [];
    const servers: ManagementServer[] = [];
    for (let i = 0; i < (script.servers ?? 1); i++) {
      servers.push(
        await startManagementServer(t, {
          heard: (stream, request) => void asked.push(`asks ${i} ${textOf(stream, request)}`),
        }),
      );
    }
    const config = join(folder, 'bootstrap.json');
    const backends: HeldBackend[] = [];
    for (let i = 0; i < (script.backends ?? 0); i++) backends.push(await startBackend(t, `backend ${i}`));
    const places = {
      servers: servers.map(({ port }) => port),
      backends: backends.map(({ port }) => port),
      folder,
    };
    const admin = { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } };
    writeFileSync(config, JSON.stringify({ admin, ...script.bootstrap(places) }));
    const command =
      name === 'envoy'
        ? [envoy, '--disable-hot-restart', '-l', 'warning']
        : [process.execPath, resolve(import.meta.dirname, '../../../src/app/main.ts'), 'proxy'];
    const [program = '', ...flags] = command;
    const child = spawn(
      program,
      [
        ...flags,
        '--concurrency',
        String(script.concurrency ?? 1),
        ...(script.flags ?? []),
        '-c',
        config,
        '--drain-time-s',
        '1',
        '--admin-address-path',
        join(folder, 'admin'),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: folder,
      },
    );
    const ended = new Promise((done) => child.once('close', done));
    t.after(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const subject = new Subject(child, { folder, servers, backends, asked, script });
    await eventually(() => subject.#admin('/server_info'), { until: () => child.exitCode !== null }).catch(
      (error: unknown) => {
        throw new Error(`${name} did not start: ${subject.output}`, { cause: error });
      },
    );
    return subject;
  }

  async perform(step: Step, isMet: (lines: readonly string[]) => boolean): Promise<readonly string[]> {
    this.#notes = [];
    await step.play({
      servers: this.#servers,
      backends: this.#backends,
      folder: this.#folder,
      gone: (cluster) =>
        eventually(async () => {
          const { configs } = JSON.parse(await this.#admin('/config_dump')) as { configs: JsonObject[] };
          const active = configs.flatMap(inForce).filter((line) => line.includes('_clusters: '));
          assert.doesNotMatch(active.join(' '), new RegExp(` ${cluster}@`));
        }),
      drained: (removed) =>
        eventually(async () => {
          const page = await this.#admin('/stats?filter=^listener_manager\\.');
          assert.match(page, new RegExp(`listener_removed: ${removed}$`, 'm'));
          assert.match(page, /total_listeners_draining: 0$/m);
        }),
      ask: (label, listener, request) => this.#begin(label, listener, request),
      note: (line) => void this.#notes.push(`note ${line}`),
      port: async (name) => {
        const found = (await this.#listeners()).find((listener) => listener.name === name);
        return found!.port;
      },
      send: async (response, { scope = 'ads', server = 0, alter, unanswered } = {}) => {
        const stream = await eventually(() => this.#servers[server]!.stream(scope));
        // As servers do: nothing is said that was not asked for.
        await eventually(() =>
          assert.ok(
            stream.requests.some(({ typeUrl }) => typeUrl === response.type_url),
            `${String(response.type_url)} was not asked for: ${this.output.slice(-1000)}`,
          ),
        );
        const before = stream.requests.length;
        const message = stream.protocol === 'delta' ? deltaOf(response) : stateOf(response);
        stream.send(alter === undefined ? message : altered(message, alter));
        if (unanswered) return;
        const { nonce } = response;
        await eventually(() =>
          assert.ok(
            stream.requests.slice(before).some(({ responseNonce }) => responseNonce === nonce),
            `${String(nonce)} was not answered: ${this.output.slice(-1000)}`,
          ),
        );
      },
    });
    const deadline = performance.now() + SETTLE_MS;
    for (let before = '', steady = 0; ; ) {
      const lines = [...byKind(this.#asked), ...this.#notes, ...(await this.#decisions(step))];
      const now = lines.join('\n');
      steady = now === before ? steady + 1 : 0;
      before = now;
      const enough = steady >= STEADY_LOOKS && (steady >= STEADY_LOOKS * 3 || isMet(lines));
      if (enough || performance.now() > deadline) {
        this.#asked.length = 0;
        for (const [label, answer] of this.#answers) if (answer !== undefined) this.#answers.delete(label);
        return lines;
      }
      await wait(LOOK_MS);
    }
  }

  async #decisions({ stats = [], counted = [] }: Step): Promise<string[]> {
    const dump = JSON.parse(await this.#admin('/config_dump')) as { configs: JsonObject[] };
    const lines = dump.configs.flatMap(inForce);
    if (this.#showsRuntime) lines.push(...runtimeLines(await this.#admin('/runtime')));
    for (const name of stats) lines.push(`${name} ${await this.#count(name)}`);
    for (const name of counted) lines.push(`${name} ${(await this.#count(name)) === 0 ? '0' : 'counted'}`);
    for (const [label, answer] of this.#answers) lines.push(`request ${label} ${answer ?? 'waits'}`);
    if (this.#isQuiet) return lines;
    for (const { name, port } of await this.#listeners()) {
      // Envoy lists what it does not listen on yet.
      const waits = lines.some((line) => line.includes(`${name}@`) && line.includes('warming'));
      if (waits) continue;
      const status = await this.#ask(port).catch(() => undefined);
      if (status !== undefined) lines.push(`listener ${name} answers ${status}`);
    }
    return lines;
  }

  async #listeners(): Promise<readonly { readonly name: string; readonly port: number }[]> {
    const { listener_statuses: statuses = [] } = JSON.parse(
      await this.#admin('/listeners?format=json'),
    ) as ListenersPage;
    return [...statuses]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap(({ name, local_address: { socket_address: at } }) =>
        at === undefined ? [] : [{ name, port: at.port_value }],
      );
  }

  async #begin(label: string, listener: string, asked: Asked): Promise<Asking> {
    const { host, method = 'GET', headers = {}, body, isOpen = false } = asked;
    const port = await eventually(async () => {
      const found = (await this.#listeners()).find(({ name }) => name === listener);
      assert.ok(found, `there is no listener ${listener}`);
      return found.port;
    });
    this.#answers.set(label, undefined);
    const made = request(
      { host: '127.0.0.1', port, method, agent: false, headers: { host, ...headers } },
      async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        this.#answers.set(label, `${response.statusCode} ${Buffer.concat(chunks).toString()}`.trimEnd());
      },
    );
    made.on('error', () => this.#answers.set(label, 'fails'));
    if (body !== undefined) made.write(body);
    if (!isOpen) made.end();
    else made.flushHeaders();
    return made;
  }

  async #count(name: string): Promise<number> {
    const page = await this.#admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return Number(/: (\d+)/.exec(page)?.[1] ?? 0);
  }

  async #admin(path: string): Promise<string> {
    const address = readFileSync(join(this.#folder, 'admin'), 'utf8').trim();
    const response = await fetch(`http://${address}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.text();
  }
}

/** In order for each kind: between kinds it depends on time. */
function byKind(asked: readonly string[]): string[] {
  const kinds = new Map<string, string[]>();
  for (const line of asked) {
    // Heddle asks for listeners at once and holds them; Envoy asks when the first clusters are there.
    if (/^asks \d+ (\[listener\] )?LDS$/.test(line)) continue;
    const kind = line.split(' ').slice(0, 3).join(' ');
    kinds.set(kind, [...(kinds.get(kind) ?? []), line]);
  }
  return [...kinds.keys()].sort().flatMap((kind) => kinds.get(kind) ?? []);
}

interface RuntimePage {
  readonly layers: readonly string[];
  readonly entries: Readonly<Record<string, { layer_values: readonly string[]; final_value: string }>>;
}

function runtimeLines(page: string): string[] {
  // Envoy marks texts of messages as not to be read by programs, some of them.
  const { layers, entries } = JSON.parse(page.replace(/goo\.gle\/debug\w+ *(?:\\n)?/g, '')) as RuntimePage;
  const values = Object.entries(entries)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([key, { layer_values, final_value }]) =>
        `runtime ${key} = ${final_value} of ${layer_values.join('|')}`,
    );
  return [`runtime layers ${layers.join(',')}`, ...values];
}

interface ListenersPage {
  readonly listener_statuses?: readonly ListenerStatus[];
}

interface ListenerStatus {
  readonly name: string;
  readonly local_address: { readonly socket_address?: { readonly port_value: number } };
}

function altered(
  message: DiscoveryResponse | DeltaDiscoveryResponse,
  alter: NonNullable<SendOptions['alter']>,
): DiscoveryResponse | DeltaDiscoveryResponse {
  const changed = ({ typeUrl, value }: Any): Any => create(AnySchema, { typeUrl, value: alter(value) });
  if (!('removedResources' in message)) message.resources = message.resources.map(changed);
  else for (const one of message.resources) if (one.resource) one.resource = changed(one.resource);
  return message;
}

/** Lists of one part of `/config_dump`, as lines `clusters: dynamic_active_clusters a@v1 b@v1`. */
function inForce(part: JsonObject): string[] {
  const type = String(part['@type']);
  if (type.endsWith('BootstrapConfigDump')) return [];
  return Object.entries(part).flatMap(([list, entries]) => {
    if (!(list.startsWith('dynamic_') || list === 'ecds_filters') || !Array.isArray(entries)) return [];
    const all = entries.flatMap((entry) => named(entry as JsonObject)).sort();
    // Envoy shows the version from before where only the chains of a listener are others.
    const names = list === 'dynamic_listeners' ? all.map((name) => name.replace(/@[^(]*$/, '')) : all;
    return names.length === 0 ? [] : [`${list}: ${names.join(' ')}`];
  });
}

/** Nothing of what was only ever refused, or has not come (Envoy lists secrets that it waits for). */
function named(entry: JsonObject): string[] {
  const state = (entry.active_state ?? entry.warming_state ?? entry) as JsonObject;
  if (state.version_info === 'uninitialized') return [];
  const held = Object.values(state).find(isResource);
  if (held === undefined) return [];
  const name = (held as JsonObject).name ?? (held as JsonObject).cluster_name ?? entry.name;
  const where = 'warming_state' in entry && !('active_state' in entry) ? '(warming)' : '';
  return [`${String(name)}@${String(state.version_info ?? '')}${where}`];
}

function isResource(value: JsonValue | undefined): boolean {
  return typeof value === 'object' && value !== null && '@type' in value;
}

function textOf({ scope }: ManagementStream, request: ManagementRequest): string {
  const parts = [scope === 'ads' ? '' : `[${scope}]`, serviceOfTypeUrl(request.typeUrl)];
  const list = (sign: string, names: readonly string[]): void => {
    if (names.length > 0) parts.push(`${sign}${[...names].sort().join(',')}`);
  };
  if (isDelta(request)) {
    list('+', request.resourceNamesSubscribe);
    list('-', request.resourceNamesUnsubscribe);
    const held = Object.entries(request.initialResourceVersions).map(
      ([name, version]) => `${name}=${version}`,
    );
    list('has ', held);
  } else {
    list('', request.resourceNames);
    if (request.versionInfo !== '') parts.push(`version ${request.versionInfo}`);
  }
  if (request.responseNonce !== '') parts.push(`nonce ${request.responseNonce}`);
  if (request.errorDetail !== undefined) parts.push('NACK');
  return parts.filter((part) => part !== '').join(' ');
}
