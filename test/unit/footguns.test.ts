/** Ways of writing code that are wrong in a mesh although they run. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const sources = globSync('src/**/*.ts', { exclude: ['src/xds/gen/**'] }).map((file) => ({
  file: file.replaceAll('\\', '/'),
  text: readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ''),
}));

const banned: { pattern: RegExp; where: RegExp; why: string }[] = [
  {
    pattern: /new\s+(?:tls\.)?TLSSocket\s*\(/,
    where: /^src\//,
    why: 'on Node a TLSSocket made by hand does not enforce the client certificate: emit "connection" on a tls.Server',
  },
  {
    pattern: /rejectUnauthorized:\s*false/,
    // Discovery over TLS without a validation context trusts whoever answers, as Envoy does on the same file; a probe
    // asks whether somebody answers, and not who, as a kubelet does.
    where:
      /^src\/(?!control\/serve\/|proxy\/tls\/|proxy\/apply\/grpc-channel\.ts|app\/probe\/perform-probe\.ts)/,
    why: 'only where the identity is checked after the handshake',
  },
  {
    pattern: /from 'node:(?:http|http2|https)'/,
    where: /^src\/proxy\/(?!admin\/|apply\/)|^src\/http\//,
    why: 'the data path has its own codecs',
  },
  {
    pattern: /\bnew RegExp\(/,
    where: /^src\/(?:proxy|control\/translate)\//,
    why: "a user's pattern can hang Node's engine: use core/regex.ts",
  },
];

test('there are sources', () => assert.ok(sources.length > 50));

for (const { pattern, where, why } of banned) {
  test(`${pattern.source}: ${why}`, () => {
    const found = sources
      .filter(({ file, text }) => where.test(file) && !file.endsWith('.test.ts') && pattern.test(text))
      .map(({ file }) => file);
    assert.deepEqual(found, []);
  });
}
