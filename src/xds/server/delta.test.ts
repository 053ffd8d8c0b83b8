import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { createDeltaServerStream, type DeltaServerStream } from './delta.ts';
import { letterOf, resource, snapshot, typeUrlOfLetter } from './fixture.ts';

interface Asked {
  subscribe?: string[];
  unsubscribe?: string[];
  /** Resources, such as `c:a@2`, whose versions the client brings along. */
  has?: string[];
  nonce?: string;
  error?: string;
}

function request(
  letter: string,
  { subscribe, unsubscribe, has, nonce, error }: Asked = {},
): DeltaDiscoveryRequest {
  return create(DeltaDiscoveryRequestSchema, {
    typeUrl: typeUrlOfLetter(letter),
    resourceNamesSubscribe: subscribe ?? [],
    resourceNamesUnsubscribe: unsubscribe ?? [],
    initialResourceVersions: Object.fromEntries(
      (has ?? []).map(resource).map((one) => [one.name, one.version]),
    ),
    responseNonce: nonce ?? '',
    ...(error === undefined ? {} : { errorDetail: { message: error } }),
  });
}

/** `c+a,b-d` for a response of clusters that brings a and b and takes d away. */
function shown(responses: readonly DeltaDiscoveryResponse[]): string {
  const one = (response: DeltaDiscoveryResponse): string => {
    const letter = letterOf(response.typeUrl);
    const upserts = response.resources.map(({ name }) => name).join();
    const removed = response.removedResources.join();
    return letter + (upserts && `+${upserts}`) + (removed && `-${removed}`);
  };
  return responses.map(one).join(' ');
}

/** A stream whose client has everything of `texts` and has said so. */
function settled(texts: string): {
  stream: DeltaServerStream;
  push(texts: string): string;
  ack(letter: string): string;
  nack(letter: string, error: string): string;
  ask(letter: string, asked: Asked): string;
} {
  let current = snapshot(texts);
  const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: current });
  const nonces = new Map<string, string>();
  const note = (responses: readonly DeltaDiscoveryResponse[]): string => {
    for (const { typeUrl, nonce } of responses) nonces.set(letterOf(typeUrl), nonce);
    return shown(responses);
  };
  const names = [...current.cluster.keys()];
  const client = {
    stream,
    push(next: string): string {
      current = snapshot(next, current);
      return note(stream.onSnapshot(current));
    },
    ask: (letter: string, asked: Asked): string => note(stream.onRequest(request(letter, asked))),
    ack: (letter: string): string => client.ask(letter, { nonce: nonces.get(letter)! }),
    nack: (letter: string, error: string): string =>
      client.ask(letter, { nonce: nonces.get(letter)!, error }),
  };
  for (const [letter, subscribe] of [['c'], ['e', names], ['l'], ['r', [...current.route.keys()]]] as const) {
    client.ask(letter, { subscribe: [...(subscribe ?? [])] });
    client.ack(letter);
  }
  return client;
}

describe('a first request', () => {
  const cases: [has: string, letter: string, asked: Asked, answer: string, why: string][] = [
    ['c:a c:b', 'c', {}, 'c+a,b', 'no names ask for all clusters'],
    ['c:a c:b', 'c', { subscribe: ['*'] }, 'c+a,b', 'so does the star'],
    ['c:a c:b', 'c', { subscribe: ['a'] }, 'c+a', 'a name asks for itself alone'],
    ['c:a', 'c', { subscribe: ['*', 'x'] }, 'c+a-x', 'all, and one that is not there'],
    ['', 'c', {}, 'c', 'that there is nothing is an answer too'],
    ['e:a', 'e', {}, '', 'endpoints have no wildcard without a star'],
    ['e:a e:b', 'e', { subscribe: ['a'] }, 'e+a', 'only what was asked for'],
    ['e:a', 'e', { subscribe: ['x'] }, 'e-x', 'what is not there is told'],
    ['c:a c:b', 'c', { has: ['c:a', 'c:b'] }, '', 'a client that comes back and has all is told nothing'],
    ['c:a@2 c:b', 'c', { has: ['c:a', 'c:b'] }, 'c+a', 'only what changed meanwhile'],
    ['l:a', 'l', { has: ['l:a', 'l:b'] }, 'l-b', 'and what went away'],
    ['e:a e:b', 'e', { subscribe: ['a', 'b'], has: ['e:a'] }, 'e+b', 'held versions count for names too'],
    [
      'e:a',
      'e',
      { subscribe: ['a'], has: ['e:a', 'e:z'] },
      '',
      "versions of what is not asked for are nobody's business",
    ],
  ];
  for (const [has, letter, asked, answer, why] of cases) {
    test(`${letter} ${JSON.stringify(asked)} of "${has}": "${answer}" (${why})`, () => {
      const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: snapshot(has) });
      assert.equal(shown(stream.onRequest(request(letter, asked))), answer);
    });
  }

  test('waits for the first snapshot', () => {
    const stream = createDeltaServerStream({ nowMs: () => 0 });
    assert.equal(shown(stream.onRequest(request('c'))), '');
    assert.equal(stream.status()[0]?.state, 'not-sent');
    assert.equal(shown(stream.onSnapshot(snapshot('c:a'))), 'c+a');
  });

  test('for a kind that is not served is answered with nothing', () => {
    const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: snapshot('c:a') });
    assert.deepEqual(
      stream.onRequest(create(DeltaDiscoveryRequestSchema, { typeUrl: 'type.googleapis.com/a.B' })),
      [],
    );
  });

  test('names the client', () => {
    const stream = createDeltaServerStream({ nowMs: () => 0 });
    stream.onRequest(
      create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrlOfLetter('c'), node: { id: 'me' } }),
    );
    stream.onRequest(request('l'));
    assert.equal(stream.node()?.id, 'me');
  });
});

describe('a push holds', () => {
  const cases: [before: string, after: string, answer: string, why: string][] = [
    ['c:a e:a l:x r:x', 'c:a e:a l:x r:x', '', 'nothing when nothing changed'],
    ['c:a e:a l:x r:x', 'c:a e:a l:x r:x@2', 'r+x', 'one route'],
    ['c:a e:a l:x r:x', 'c:a e:a@2 l:x r:x', 'e+a', 'one endpoint'],
    [
      'c:a c:b e:a e:b l:x r:x',
      'c:a e:a l:x r:x@2',
      'r+x',
      'one service removed: first what no longer points at it',
    ],
    ['c:a e:a l:x r:x', 'c:a e:a l:y r:x', 'l+y-x', 'a listener changed its name'],
    [
      'c:a e:a l:x r:x',
      'c:a c:b e:a e:b l:x@2 r:x@2',
      'c+b l+x r+x',
      'what is pointed at comes first; endpoints when asked for',
    ],
    ['c:a e:a l:x r:x', 'c:a@2 e:a l:x r:x', 'c+a e+a', 'a changed cluster waits for its endpoints anew'],
  ];
  for (const [before, after, answer, why] of cases) {
    test(`"${before}" -> "${after}": "${answer}" (${why})`, () =>
      assert.equal(settled(before).push(after), answer));
  }
});

describe('clusters and endpoints go away', () => {
  test('when the client has accepted what no longer points at them', () => {
    const client = settled('c:a c:b e:a e:b l:x r:x');
    assert.equal(client.push('c:a e:a l:x@2 r:x@2'), 'l+x r+x');
    assert.equal(client.stream.status()[0]?.state, 'stale');
    assert.equal(client.ack('l'), '');
    assert.equal(client.ack('r'), 'c-b e-b');
    client.ack('c');
    client.ack('e');
    assert.deepEqual(
      client.stream.status().map(({ state }) => state),
      ['synced', 'synced', 'synced', 'synced'],
    );
  });

  test('at once when nothing else changed', () => {
    assert.equal(settled('c:a c:b e:a l:x r:x').push('c:a e:a l:x r:x'), 'c-b');
  });

  test('not while the client refuses the routes, which still point at them', () => {
    const client = settled('c:a c:b e:a e:b l:x r:x');
    client.push('c:a e:a l:x r:x@2');
    assert.equal(client.nack('r', 'no'), '');
    assert.equal(client.push('c:a e:a l:x r:x@3'), 'r+x');
    assert.equal(client.ack('r'), 'c-b e-b');
  });

  test('not before the listeners and routes of a client that comes back', () => {
    const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: snapshot('c:a l:x@2 r:x@2') });
    assert.equal(shown(stream.onRequest(request('c', { has: ['c:a', 'c:b'] }))), '');
    const [listeners] = stream.onRequest(request('l', { has: ['l:x'] }));
    const [routes] = stream.onRequest(request('r', { subscribe: ['x'], has: ['r:x'] }));
    assert.equal(shown([listeners!, routes!]), 'l+x r+x');
    assert.equal(shown(stream.onRequest(request('l', { nonce: listeners!.nonce }))), '');
    assert.equal(shown(stream.onRequest(request('r', { nonce: routes!.nonce }))), 'c-b');
  });

  test('of a client that comes back and has no routes: with its next word, or the next snapshot', () => {
    for (const wake of ['word', 'snapshot'] as const) {
      const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: snapshot('c:a l:x') });
      assert.equal(shown(stream.onRequest(request('c', { has: ['c:a', 'c:b'] }))), '');
      assert.equal(shown(stream.onRequest(request('l', { has: ['l:x'] }))), '');
      const answer =
        wake === 'word' ? stream.onRequest(request('l')) : stream.onSnapshot(snapshot('c:a l:x'));
      assert.equal(shown(answer), 'c-b');
    }
  });
});

describe('one response of a kind is unanswered at most', () => {
  test('later changes wait for the answer and go together', () => {
    const client = settled('c:a e:a l:x r:x');
    assert.equal(client.push('c:a e:a l:x@2 r:x'), 'l+x');
    assert.equal(client.push('c:a e:a l:x@3 r:x'), '');
    assert.equal(client.push('c:a e:a l:x@3 l:y r:x'), '');
    assert.equal(client.ack('l'), 'l+x,y');
  });

  test('and what points at the waiting waits too', () => {
    const client = settled('c:a e:a l:x r:x');
    assert.equal(client.push('c:a c:b e:a l:x r:x'), 'c+b');
    assert.equal(client.push('c:a c:b c:d e:a l:x r:x@2'), '');
    assert.equal(client.ack('c'), 'c+d r+x');
  });

  test('an answer to an older response is no answer', () => {
    const client = settled('c:a l:x');
    client.push('c:a l:x@2');
    assert.equal(client.ask('l', { nonce: 'old' }), '');
    assert.equal(client.push('c:a l:x@3'), '');
    assert.equal(client.ack('l'), 'l+x');
  });
});

describe('a refusal', () => {
  test('is kept with its words and its time, and is not answered with the same again', () => {
    let nowMs = 100;
    const stream = createDeltaServerStream({ nowMs: () => nowMs, snapshot: snapshot('l:x') });
    const [response] = stream.onRequest(request('l'));
    nowMs = 250;
    assert.deepEqual(stream.onRequest(request('l', { nonce: response!.nonce, error: 'bad port' })), []);
    const [status] = stream.status();
    assert.equal(status?.state, 'nack');
    assert.equal(status.sentAtMs, 100);
    assert.deepEqual(status.nack, { message: 'bad port', atMs: 250, resources: ['x'] });
    assert.equal(status.acked.size, 0);
  });

  test('ends with the next change, which brings along what stood beside the one at fault', () => {
    const client = settled('l:w');
    assert.equal(client.push('l:w l:x l:y'), 'l+x,y');
    client.nack('l', 'x is bad');
    assert.equal(client.push('l:w l:x@2 l:y'), 'l+x,y');
    client.ack('l');
    const status = client.stream.status().find(({ kind }) => kind === 'listener');
    assert.equal(status?.state, 'synced');
    assert.equal(status.acked.get('x'), resource('l:x@2').version);
  });

  test('going back to what was accepted before is sent: nobody knows what the client did with the refused', () => {
    const client = settled('l:x');
    client.push('l:x@2');
    client.nack('l', 'no');
    assert.equal(client.push('l:x'), 'l+x');
  });
});

describe('a subscription changes', () => {
  const cases: [letter: string, asked: Asked, answer: string, why: string][] = [
    ['e', { subscribe: ['b'] }, 'e+b', 'a new name'],
    ['e', { subscribe: ['a'] }, 'e+a', 'a name known already: the client may have forgotten'],
    ['e', { unsubscribe: ['a'] }, '', 'no longer'],
    ['e', { subscribe: ['z'] }, 'e-z', 'a name that is not there'],
    ['c', { unsubscribe: ['a'] }, 'c+a e+a', 'part of everything all the same, and begun anew'],
    ['c', { unsubscribe: ['z'] }, 'c-z', 'not part of anything'],
    ['c', { unsubscribe: ['*'] }, '', 'nothing any more'],
  ];
  for (const [letter, asked, answer, why] of cases) {
    test(`${letter} ${JSON.stringify(asked)}: "${answer}" (${why})`, () => {
      const client = settled('c:a e:a e:b');
      assert.equal(client.ask(letter, asked), answer);
    });
  }

  test('after the star is given back, nothing is pushed', () => {
    const client = settled('c:a e:a');
    client.ask('c', { unsubscribe: ['*'] });
    assert.equal(client.push('c:a@2 c:b e:a'), '');
  });

  test('the star may be taken later: then everything is sent that is not known yet', () => {
    const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: snapshot('c:a c:b') });
    const [first] = stream.onRequest(request('c', { subscribe: ['a'] }));
    stream.onRequest(request('c', { nonce: first!.nonce }));
    assert.equal(shown(stream.onRequest(request('c', { subscribe: ['*'] }))), 'c+b');
  });

  test('what was not there is sent when it comes, and told when it goes again', () => {
    const client = settled('c:a e:a');
    client.ask('e', { subscribe: ['b'] });
    client.ack('e');
    assert.equal(client.push('c:a e:a e:b'), 'e+b');
    client.ack('e');
    assert.equal(client.push('c:a e:a'), 'e-b');
    client.ack('e');
    assert.equal(client.push('c:a e:a@2'), 'e+a');
  });
});

test('a changed cluster of a client that comes back gets its endpoints, though the client has them', () => {
  const stream = createDeltaServerStream({ nowMs: () => 0, snapshot: snapshot('c:a@2 e:a') });
  assert.equal(shown(stream.onRequest(request('c', { has: ['c:a'] }))), 'c+a');
  assert.equal(shown(stream.onRequest(request('e', { subscribe: ['a'], has: ['e:a'] }))), 'e+a');
});

test('the names of DNS go to whoever asks for them, and wait for no answer about other kinds', () => {
  const { ask, ack, push } = settled('c:a e:a n:@1');
  assert.equal(push('c:a e:a n:@2'), '');
  assert.equal(ask('n', {}), 'n');
  assert.equal(ack('n'), '');
  assert.equal(push('c:a@2 e:a n:@2'), 'c+a e+a');
  assert.equal(push('c:a@2 e:a n:@3'), 'n');
});
