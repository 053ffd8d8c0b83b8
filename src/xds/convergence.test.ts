/** Both ends of a stream against each other: whatever happens, in the end the client has what it should. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { atOnce } from '#core/time-slice.ts';
import type { AnyUpdate, ClientStream } from './client/contract.ts';
import { createDeltaClientStream } from './client/delta.ts';
import { createSotwClientStream } from './client/sotw.ts';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import type { Listener } from './gen/envoy/config/listener/v3/listener_pb.js';
import type { ServerStream, ServerStreamOptions } from './server/contract.ts';
import { createDeltaServerStream } from './server/delta.ts';
import { snapshot } from './server/fixture.ts';
import { createSotwServerStream } from './server/sotw.ts';
import type { Snapshot } from './snapshot.ts';

/** A listener of this version is refused. */
const badVersion = '3';

type Step =
  | { readonly do: 'push'; readonly services: readonly (readonly [name: string, version: number])[] }
  | { readonly do: 'serve' | 'receive' | 'reconnect' };

/** Service "a" is a cluster, its endpoints, a listener and a route table that points at the cluster, each "a". */
function servicesAsText(services: readonly (readonly [string, number])[]): string {
  return services
    .flatMap(([name, version]) => ['c', 'e', 'l', 'r'].map((kind) => `${kind}:${name}@${version}`))
    .join(' ');
}

class World<Request, Response> {
  readonly #connect: (options: ServerStreamOptions) => ServerStream<Request, Response>;
  readonly client: ClientStream<Request, Response>;
  current: Snapshot = snapshot('');
  server: ServerStream<Request, Response>;
  #toServer: Request[] = [];
  #toClient: Response[] = [];

  constructor(
    connect: (options: ServerStreamOptions) => ServerStream<Request, Response>,
    client: ClientStream<Request, Response>,
  ) {
    this.#connect = connect;
    this.client = client;
    client.subscribe('cluster', ['*']);
    client.subscribe('listener', ['*']);
    this.server = this.#begin();
  }

  #begin(): ServerStream<Request, Response> {
    this.#toServer = [...this.client.connected()];
    this.#toClient = [];
    return this.#connect({ nowMs: () => 0, snapshot: this.current });
  }

  step(step: Step): void {
    if (step.do === 'push') {
      this.current = snapshot(servicesAsText(step.services), this.current);
      this.#toClient.push(...this.server.onSnapshot(this.current));
    } else if (step.do === 'reconnect') {
      this.client.disconnected();
      this.server = this.#begin();
    } else if (step.do === 'serve') {
      const request = this.#toServer.shift();
      if (request !== undefined) this.#toClient.push(...this.server.onRequest(request));
    } else {
      const response = this.#toClient.shift();
      if (response !== undefined) this.#receive(response);
    }
  }

  #receive(response: Response): void {
    const update = atOnce(this.client.receive(response));
    assert.ok(update !== undefined);
    const bad =
      update.kind === 'listener' &&
      update.changed.some((resource) => {
        const decoded = atOnce(resource.decoded());
        return decoded.ok && (decoded.message as Listener).statPrefix === badVersion;
      });
    if (bad) {
      this.#toServer.push(this.client.nack(update, [{ level: 'error', message: 'bad' }]));
      return;
    }
    const ack = this.client.ack(update);
    this.#toServer.push(...this.#follow(update), ack);
  }

  /** A client asks for the endpoints of its clusters and the routes of its listeners. */
  #follow(update: AnyUpdate): Request[] {
    const pointedAt =
      update.kind === 'cluster' ? 'endpoint' : update.kind === 'listener' ? 'route' : undefined;
    if (pointedAt === undefined) return [];
    const names = update.changed.map(({ name }) => name);
    return [
      ...this.client.subscribe(pointedAt, names),
      ...this.client.unsubscribe(pointedAt, update.removed),
    ];
  }

  drain(): void {
    for (let i = 0; this.#toServer.length + this.#toClient.length > 0; i++) {
      assert.ok(i < 10_000, 'the two never stop talking');
      this.step({ do: 'serve' });
      this.step({ do: 'receive' });
    }
  }

  /** Routes in force whose cluster is gone. */
  dangling(): string[] {
    return [...this.client.held('route').keys()].filter((name) => !this.client.held('cluster').has(name));
  }
}

const services = fc.uniqueArray(
  fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 3 })),
  {
    selector: ([name]) => name,
  },
);
const push = fc.record({ do: fc.constant('push' as const), services });
const talk = fc.record({ do: fc.constantFrom('serve' as const, 'receive' as const) });
const reconnect = fc.record({ do: fc.constant('reconnect' as const) });
const good: Step = {
  do: 'push',
  services: [
    ['a', 1],
    ['b', 2],
    ['d', 4],
  ],
};
const node = create(NodeSchema, { id: 'me' });

function converges<Request, Response>(
  make: () => World<Request, Response>,
  steps: fc.Arbitrary<readonly Step[]>,
  check: (world: World<Request, Response>) => void,
): void {
  fc.assert(
    fc.property(steps, (story) => {
      const world = make();
      for (const step of story) {
        world.step(step);
        check(world);
      }
      world.step(good);
      world.drain();
      for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const) {
        assert.deepEqual([...world.client.held(kind).keys()].sort(), ['a', 'b', 'd'], kind);
      }
      for (const { kind, state, acked } of world.server.status()) {
        assert.equal(state, 'synced', kind);
        for (const [name, version] of acked) assert.equal(world.current[kind].get(name)?.version, version);
      }
    }),
    { seed: 1, numRuns: 300 },
  );
}

describe('client and server agree in the end', () => {
  const anything = fc.array(
    fc.oneof(
      { weight: 1, arbitrary: push },
      { weight: 6, arbitrary: talk },
      { weight: 1, arbitrary: reconnect },
    ),
    { maxLength: 60 },
  );
  const steady = fc.array(fc.oneof({ weight: 1, arbitrary: push }, { weight: 6, arbitrary: talk }), {
    maxLength: 60,
  });
  const delta = () => new World(createDeltaServerStream, createDeltaClientStream(node));
  const sotw = () => new World(createSotwServerStream, createSotwClientStream(node));

  test('delta, and no route in force ever points at a cluster that is gone', () =>
    converges(delta, anything, (world) => assert.deepEqual(world.dangling(), [])));
  // A client that comes back is sent its clusters whole at once: what the server no longer has it cannot send.
  test('state of the world, and the same as long as the connection lasts', () =>
    converges(sotw, steady, (world) => assert.deepEqual(world.dangling(), [])));
  test('state of the world, with lost connections', () => converges(sotw, anything, () => {}));
});
