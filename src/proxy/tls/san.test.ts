import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSubjectAltNames } from './san.ts';

const none = { uri: [], dns: [], ip: [], email: [] };
const cases: [text: string | undefined, names: object][] = [
  [undefined, none],
  ['URI:spiffe://d/ns/a/sa/b', { ...none, uri: ['spiffe://d/ns/a/sa/b'] }],
  [
    'DNS:a, URI:x, DNS:b, IP Address:127.0.0.1',
    { uri: ['x'], dns: ['a', 'b'], ip: ['127.0.0.1'], email: [] },
  ],
  ['DNS:"a, URI:spiffe://evil", DNS:b', { ...none, dns: ['a, URI:spiffe://evil', 'b'] }],
];
for (const [text, names] of cases)
  test(String(text), () => assert.deepEqual(parseSubjectAltNames(text), names));
