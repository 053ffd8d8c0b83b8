/** Services in Python and Go are in the mesh like any other: they know nothing but http_proxy. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMesh } from '../support/mesh.ts';
import { requirePeer } from '../support/peer.ts';
import { tally } from '../support/tally.ts';

test('examples/polyglot: a page from Python, TypeScript and Go', async (t) => {
  if (requirePeer(t, 'python3') === undefined) return;
  const mesh = await startMesh(['examples/polyglot']);
  try {
    const pages = await tally(60, async () => {
      const response = await fetch(mesh.ingressUrl);
      const html = await response.text();
      assert.equal(response.status, 200, html);
      assert.match(html, /Middlemarch.*George Eliot.*Every person in town/);
      assert.match(html, /catalog v1 \(TypeScript\)/);
      return /reviews (v\d) \(Python\), (?:ratings by (?:Go|Python)|no ratings)/.exec(html)?.[1];
    });
    assert.deepEqual([...pages.keys()].sort(), ['v1', 'v2']);
  } finally {
    await mesh.stop();
  }
});
