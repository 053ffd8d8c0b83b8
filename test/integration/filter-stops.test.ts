/** What filters may do to a message on its way: stop it, hold it, answer it, route it again, write it bit by bit. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { headerOf, setHeader } from '#http/header-list.ts';
import type { CataloguedFilter, Exchange, HttpFilter, LocalReply, Verdict } from '#proxy/filter/contract.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { rawClient, rawServer } from '../support/raw-tcp.ts';

const refusal: LocalReply = { status: 418, body: 'no', flag: '', details: 'by_test' };

/** Does in each hook what the header `x-do` of the request says, and notes what it saw. */
class Scripted implements HttpFilter {
  readonly #name: string;
  readonly #slot: number;
  readonly #seen: string[];

  constructor(name: string, slot: number, seen: string[]) {
    this.#name = name;
    this.#slot = slot;
    this.#seen = seen;
  }

  #does(exchange: Exchange, what: string): boolean {
    return (headerOf(exchange.requestHeaders, 'x-do') ?? '').split(' ').includes(`${this.#name}:${what}`);
  }

  #note(what: string): void {
    this.#seen.push(`${this.#name} ${what}`);
  }

  onRequestHead(exchange: Exchange, endStream: boolean): Verdict {
    this.#note(endStream ? 'head.' : 'head');
    if (this.#does(exchange, 'reroute')) {
      exchange.path = '/other';
      exchange.clearRoute();
    }
    if (this.#does(exchange, 'hold')) return 'hold';
    if (this.#does(exchange, 'tight')) exchange.bufferLimitBytes = 2;
    if (this.#does(exchange, 'tight')) return 'hold';
    if (!this.#does(exchange, 'wait')) return undefined;
    setImmediate(() => exchange.resume(this.#does(exchange, 'then-answer') ? refusal : undefined));
    return 'wait';
  }

  onRequestData(_exchange: Exchange, data: Buffer): undefined {
    this.#note(`data ${data.toString()}`);
  }

  onRequestComplete(exchange: Exchange, bytes: number): Verdict {
    this.#note(`complete ${bytes}`);
    return this.#does(exchange, 'answer-complete') ? refusal : undefined;
  }

  onResponseHead(exchange: Exchange, endStream: boolean): Verdict {
    this.#note(`back ${exchange.responseCode}${endStream ? '.' : ''}`);
    if (this.#does(exchange, 'throw-back')) throw new Error('a mistake');
    if (this.#does(exchange, 'answer-back')) return refusal;
    if (this.#does(exchange, 'hold-back')) return 'hold';
    if (this.#does(exchange, 'stay-back')) return 'wait';
    if (!this.#does(exchange, 'wait-back')) return undefined;
    setImmediate(() => exchange.resumeResponse(this.#does(exchange, 'then-answer') ? refusal : undefined));
    return 'wait';
  }

  onResponseData(exchange: Exchange, data: Buffer): Buffer | undefined {
    this.#note(`back data ${data.toString()}`);
    if (!this.#does(exchange, 'drip')) return undefined;
    const copy = Buffer.from(data);
    setImmediate(() => {
      exchange.injectResponseData(this.#slot, copy);
      exchange.resumeResponse();
    });
    return Buffer.alloc(0);
  }

  onResponseEnd(exchange: Exchange): undefined | 'wait' {
    return this.#does(exchange, 'drip') ? 'wait' : undefined;
  }

  onResponseComplete(exchange: Exchange, bytes: number): Verdict {
    this.#note(`back complete ${bytes}`);
    setHeader(exchange.responseHeaders, 'x-bytes', String(bytes));
    return undefined;
  }
}

const standIns = ['grpc_stats.v3.FilterConfig', 'grpc_web.v3.GrpcWeb'];
const typeOf = (at: number): string => `envoy.extensions.filters.http.${standIns[at]}`;

interface Rig {
  readonly path: RunningDataPath;
  readonly seen: string[];
  /** @param what `one:wait` and so on; @returns the answer */
  ask(what: string, body?: string): Promise<string>;
}

async function rig(t: TestContext, hcm: readonly string[] = []): Promise<Rig> {
  const seen: string[] = [];
  const app = await rawServer(t, (socket) => {
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      const end = text.indexOf('\r\n\r\n');
      if (end === -1 || text.length < end + 4 + length) return;
      const body = `${text.split(' ')[1]} ${text.slice(end + 4)}`;
      text = '';
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    });
  });
  const catalogued = ['one', 'two'].map(
    (name, at): CataloguedFilter => ({
      kind: name,
      typeName: typeOf(at),
      stability: 'stable',
      trust: 'hostile-both',
      routeTypeName: undefined,
      loadForRoute: undefined,
      load: (_config, _path, { slot }) => ({ ok: true, value: new Scripted(name, slot, seen), problems: [] }),
      loadForConnections: undefined,
    }),
  );
  const lines = ['one', 'two'].map(
    (name, at) =>
      `          - { name: ${name}, typed_config: { '@type': type.googleapis.com/${typeOf(at)} } }\n`,
  );
  const routes = `[{ match: { prefix: /other }, direct_response: { status: 299 } }, { match: { prefix: / }, route: { cluster: app } }]`;
  const listener = httpListener({ routes, hcm }).replace(
    '          - { name: router',
    `${lines.join('')}          - { name: router`,
  );
  const path = await startDataPath(
    t,
    bootstrap([listener], [cluster('app', [app.port])]),
    undefined,
    undefined,
    { filters: catalogued },
  );
  return {
    path,
    seen,
    async ask(what, body = 'body') {
      const client = rawClient(t, path.port('web'));
      client.socket.on('error', () => {});
      client.socket.write(
        `POST / HTTP/1.1\r\nhost: a\r\nx-do: ${what}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      const whole = (text: string): boolean => {
        const end = text.indexOf('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        return end !== -1 && text.length >= end + 4 + length && !/chunked/.test(text.slice(0, end));
      };
      return client.until((text) => whole(text) || text.endsWith('0\r\n\r\n'));
    },
  };
}

describe('a filter', () => {
  const through = ['one head', 'two head', 'one data body', 'two data body'];
  const back = ['two back 200', 'one back 200', 'two back data / body', 'one back data / body'];
  const rows: readonly [what: string, status: number, seen: readonly string[]][] = [
    ['nothing', 200, [...through, ...back]],
    ['one:wait', 200, [...through, ...back]],
    ['one:wait two:wait', 200, [...through, ...back]],
    ['one:hold', 200, ['one head', 'one data body', 'one complete 4', 'two head', 'two data body', ...back]],
    [
      'one:hold two:hold',
      200,
      ['one head', 'one data body', 'one complete 4', 'two head', 'two data body', 'two complete 4', ...back],
    ],
    ['two:hold', 200, ['one head', 'two head', 'one data body', 'two data body', 'two complete 4', ...back]],
    [
      'one:wait one:then-answer',
      418,
      ['one head', 'two back 418', 'one back 418', 'two back data no', 'one back data no'],
    ],
    [
      'one:hold one:answer-complete',
      418,
      [
        'one head',
        'one data body',
        'one complete 4',
        'two back 418',
        'one back 418',
        'two back data no',
        'one back data no',
      ],
    ],
    [
      'two:tight',
      413,
      [
        'one head',
        'two head',
        'one data body',
        'two data body',
        'two back 413',
        'one back 413',
        'two back data Payload Too Large',
        'one back data Payload Too Large',
      ],
    ],
    ['two:wait-back', 200, [...through, ...back]],
    [
      'one:wait-back',
      200,
      [...through, 'two back 200', 'one back 200', 'two back data / body', 'one back data / body'],
    ],
    ['one:wait-back two:wait-back', 200, [...through, ...back]],
    ['two:wait-back two:then-answer', 418, [...through, 'two back 200']],
    [
      'two:hold-back',
      200,
      [
        ...through,
        'two back 200',
        'two back data / body',
        'two back complete 6',
        'one back 200',
        'one back data / body',
      ],
    ],
    [
      'one:hold-back two:hold-back',
      200,
      [
        ...through,
        'two back 200',
        'two back data / body',
        'two back complete 6',
        'one back 200',
        'one back data / body',
        'one back complete 6',
      ],
    ],
    ['two:answer-back', 418, [...through, 'two back 200']],
    ['one:answer-back', 418, [...through, 'two back 200', 'one back 200']],
    ['two:drip', 200, [...through, ...back]],
    ['one:drip two:drip', 200, [...through, ...back]],
    ['two:drip one:hold-back', 200, [...through, ...back, 'one back complete 6']],
    ['two:reroute', 299, ['one head', 'two head', 'two back 299.', 'one back 299.']],
  ];
  for (const [what, status, expected] of rows) {
    test(`that is told ${what}`, async (t) => {
      const { ask, seen, path } = await rig(t);
      const answer = await ask(what);
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      assert.deepEqual(seen, expected);
      if (status === 200) assert.match(answer, /\r\n\/ body/);
      if (/hold-back/.test(what)) assert.match(answer, /x-bytes: 6/);
      if (status === 418) assert.match(answer, /\r\n\r\nno$/);
      assert.equal(path.stat('server.request_exceptions'), 0);
    });
  }

  test('that makes a mistake with a response of which the client has seen nothing', async (t) => {
    const { ask, seen, path } = await rig(t);
    assert.match(await ask('two:throw-back'), /^HTTP\/1\.1 500 /);
    assert.deepEqual(seen, [...through, 'two back 200']);
    assert.equal(path.stat('server.request_exceptions'), 1);
  });

  test('that never lets a response go is cut off by the time limit', async (t) => {
    const { ask, seen } = await rig(t, ['stream_idle_timeout: 0.2s']);
    assert.match(await ask('two:stay-back'), /^HTTP\/1\.1 504 /);
    assert.deepEqual(seen, [...through, 'two back 200']);
  });
});
