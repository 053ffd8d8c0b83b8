import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverNameFor } from './server-name.ts';

const rule = { sends: true, verifies: false };
const request = { authority: 'a.example:8443', requestHeaders: ['x-name', 'b.example', 'x-empty', ''] };

test('the host of the request, without its port', () => {
  assert.equal(serverNameFor(request, { ...rule, header: '' }), 'a.example');
  assert.equal(serverNameFor({ ...request, authority: '[::1]:80' }, { ...rule, header: '' }), '::1');
});

test('the header that says so, where it is there', () => {
  assert.equal(serverNameFor(request, { ...rule, header: 'x-name' }), 'b.example');
  assert.equal(serverNameFor(request, { ...rule, header: 'x-empty' }), 'a.example');
  assert.equal(serverNameFor(request, { ...rule, header: 'x-none' }), 'a.example');
});

test('nothing where the cluster does not ask', () => {
  assert.equal(serverNameFor(request, undefined), '');
});
