import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { decodeResource, kindOfTypeUrl } from '../resource-type.ts';
import { letterOf, resource, snapshot, typeUrlOfLetter } from './fixture.ts';
import { createSotwServerStream, type SotwServerStream } from './sotw.ts';

interface Asked {
  names?: string[];
  version?: string;
  nonce?: string;
  error?: string;
}

function request(letter: string, { names, version, nonce, error }: Asked = {}): DiscoveryRequest {
  return create(DiscoveryRequestSchema, {
    typeUrl: typeUrlOfLetter(letter),
    resourceNames: names ?? [],
    versionInfo: version ?? '',
    responseNonce: nonce ?? '',
    ...(error === undefined ? {} : { errorDetail: { message: error } }),
  });
}

/** `c:a,b` for a response of clusters that holds a and b. */
function shown(responses: readonly DiscoveryResponse[]): string {
  const names = ({ typeUrl, resources }: DiscoveryResponse): string[] =>
    resources.map((any) => {
      const decoded = decodeResource(kindOfTypeUrl(typeUrl)!, any);
      return decoded.ok ? decoded.name : '?';
    });
  return responses.map((response) => `${letterOf(response.typeUrl)}:${names(response)}`).join(' ');
}

interface Client {
  stream: SotwServerStream;
  push(texts: string): string;
  /** An answer to the last response, with all the names wanted. */
  ack(letter: string, names?: string[], error?: string): string;
  ask(letter: string, asked?: Asked): string;
  version(letter: string): string;
}

function client(texts: string): Client {
  let current = snapshot(texts);
  const stream = createSotwServerStream({ nowMs: () => 7, snapshot: current });
  const last = new Map<string, DiscoveryResponse>();
  const note = (responses: readonly DiscoveryResponse[]): string => {
    for (const response of responses) last.set(letterOf(response.typeUrl), response);
    return shown(responses);
  };
  const self: Client = {
    stream,
    push(next): string {
      current = snapshot(next, current);
      return note(stream.onSnapshot(current));
    },
    ask: (letter, asked) => note(stream.onRequest(request(letter, asked))),
    ack(letter, names = [], error): string {
      const { nonce, versionInfo } = last.get(letter)!;
      return self.ask(letter, {
        names,
        nonce,
        version: versionInfo,
        ...(error === undefined ? {} : { error }),
      });
    },
    version: (letter) => last.get(letter)!.versionInfo,
  };
  return self;
}

describe('a first request', () => {
  const cases: [has: string, letter: string, asked: Asked, answer: string, why: string][] = [
    ['c:a c:b', 'c', {}, 'c:a,b', 'no names ask for all'],
    ['c:a c:b', 'c', { names: ['*'] }, 'c:a,b', 'so does the star'],
    ['c:a c:b', 'c', { names: ['b'] }, 'c:b', 'a name asks for itself'],
    ['c:a', 'c', { names: ['z'] }, 'c:', 'what is left out is not there'],
    ['', 'l', {}, 'l:', 'that there is nothing is an answer'],
    ['e:a e:b', 'e', { names: ['a'] }, 'e:a', 'endpoints by name'],
    ['e:a', 'e', {}, '', 'endpoints of nobody'],
    ['r:a', 'r', { names: ['z'] }, '', 'of routes that are not there the protocol cannot tell'],
  ];
  for (const [has, letter, asked, answer, why] of cases) {
    test(`${letter} ${JSON.stringify(asked)} of "${has}": "${answer}" (${why})`, () => {
      assert.equal(client(has).ask(letter, asked), answer);
    });
  }

  test('with the version of all that is wanted is answered with nothing', () => {
    const before = client('c:a c:b e:a e:b');
    before.ask('c');
    before.ask('e', { names: ['a'] });
    const after = client('c:b c:a e:a e:b');
    assert.equal(after.ask('c', { version: before.version('c') }), '');
    assert.equal(after.ask('e', { names: ['a'], version: before.version('e') }), '');
    assert.deepEqual(
      after.stream.status().map(({ state }) => state),
      ['synced', 'synced'],
    );
    assert.equal(client('c:a c:b@2').ask('c', { version: before.version('c') }), 'c:a,b');
    assert.equal(client('e:a e:b').ask('e', { names: ['a', 'b'], version: before.version('e') }), 'e:a,b');
  });
});

describe('a push holds', () => {
  const cases: [after: string, answer: string, why: string][] = [
    ['c:a c:b e:a e:b l:x r:x', '', 'nothing when nothing changed'],
    ['c:a@2 c:b e:a e:b l:x r:x', 'c:a,b e:a', 'clusters whole, and the endpoints the changed one waits for'],
    ['c:a c:b e:a@2 e:b l:x r:x', 'e:a', 'of endpoints what changed'],
    ['c:a c:b e:a e:b l:y r:x', 'l:y', 'listeners whole: the one left out is removed'],
    ['c:a c:b e:a e:b l:x@2 r:x@2', 'l:x r:x', 'listeners before routes'],
  ];
  for (const [after, answer, why] of cases) {
    test(`"${after}": "${answer}" (${why})`, () => {
      const one = settled();
      assert.equal(one.push(after), answer);
    });
  }

  test('a cluster as long as routes point at it', () => {
    const one = settled();
    assert.equal(one.push('c:a c:d e:a l:x r:x@2'), 'c:a,b,d r:x');
    assert.equal(one.ack('c'), '');
    assert.equal(one.ack('r', ['x']), 'c:a,d');
  });
});

function settled(): Client {
  const one = client('c:a c:b e:a e:b l:x r:x');
  for (const [letter, names] of [
    ['c', []],
    ['e', ['a', 'b']],
    ['l', []],
    ['r', ['x']],
  ] as const) {
    one.ask(letter, { names: [...names] });
    one.ack(letter, [...names]);
  }
  return one;
}

describe('names', () => {
  test('a list replaces the one before, and what is new in it is sent', () => {
    const one = client('e:a e:b e:d');
    assert.equal(one.ask('e', { names: ['a'] }), 'e:a');
    assert.equal(one.ack('e', ['a', 'b']), 'e:b');
    assert.equal(one.ack('e', ['b', 'd']), 'e:d');
    assert.equal(one.ack('e', ['b', 'd']), '');
    assert.equal(one.ack('e', ['a', 'b', 'd']), 'e:a', 'what was let go was forgotten');
  });

  test('an empty list after a name asks for nothing', () => {
    const one = client('l:x l:y');
    one.ask('l', { names: ['x'] });
    assert.equal(one.ack('l', []), '');
    assert.equal(one.push('l:x@2 l:y@2'), '');
  });

  test('a request written before the last response came is not heard; its answer will say the same', () => {
    const one = client('e:a e:b');
    one.ask('e', { names: ['a'] });
    assert.equal(one.ask('e', { names: ['a', 'b'], nonce: 'old' }), '');
    assert.equal(one.ack('e', ['a', 'b']), 'e:b');
  });

  test('a listener by name that is gone is told by an answer without it', () => {
    const one = client('l:x l:y');
    one.ask('l', { names: ['x'] });
    one.ack('l', ['x']);
    assert.equal(one.push('l:y'), 'l:');
  });
});

test('a refusal keeps the version, and is not answered with the same again', () => {
  const one = settled();
  one.push('c:a c:b e:a e:b l:x@2 r:x');
  assert.equal(one.ack('l', [], 'bad'), '');
  const status = one.stream.status().find(({ kind }) => kind === 'listener');
  assert.deepEqual(status?.nack, { message: 'bad', atMs: 7, resources: ['x'] });
  assert.equal(status.acked.get('x'), resource('l:x').version);
  assert.equal(one.push('c:a c:b e:a e:b l:x@3 r:x'), 'l:x');
  one.ack('l');
  assert.equal(one.stream.status().find(({ kind }) => kind === 'listener')?.state, 'synced');
});

test('the names of DNS go to whoever asks for them, all in one resource', () => {
  const stream = createSotwServerStream({ nowMs: () => 0, snapshot: snapshot('c:a n:@1') });
  const [response] = stream.onRequest(request('n'));
  assert.equal(response?.typeUrl, 'type.googleapis.com/istio.networking.nds.v1.NameTable');
  assert.equal(response.resources.length, 1);
  const { nonce, versionInfo: version } = response;
  assert.deepEqual(stream.onRequest(request('n', { nonce, version })), []);
  assert.equal(stream.onSnapshot(snapshot('c:a n:@2'))[0]?.resources.length, 1);
});
