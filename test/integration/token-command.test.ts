/** `heddle token create`: tokens that a control plane honours, as often and as long as was said. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { requestCertificate } from '#app/certificate-client.ts';
import { spiffeIdOf } from '#identity/certificate.ts';
import { createSigningRequest, generateKeyPair } from '#identity/signing-request.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { type HeddleChild, startHeddle } from '../support/child.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Control {
  readonly state: string;
  readonly address: string;
}

async function startControl(t: Pick<TestContext, 'after'>): Promise<Control> {
  const folder = tempDir(t);
  const file = join(folder, 'mesh.yaml');
  const state = join(folder, 'state');
  writeFileSync(file, 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n');
  const ports = ['--xds-port', '0', '--secure-xds-port', '0', '--api-port', '0'];
  const child = startHeddle(t, ['control', file, '--state', state, ...ports]);
  const [, tls] = await child.says(/control\.started .*tls=(\d+)/);
  return { state, address: `127.0.0.1:${tls}` };
}

async function create(
  t: TestContext,
  words: readonly string[],
): Promise<{ code: number | null; text: string }> {
  const child: HeddleChild = startHeddle(t, ['token', 'create', ...words]);
  const code = await child.ended;
  return { code, text: child.output() };
}

/** The SPIFFE id of the certificate that the token is good for. */
async function redeem({ address, state }: Control, token: string): Promise<string> {
  const keys = await generateKeyPair();
  const id = workloadId('cluster.local', { namespace: 'x', serviceAccount: 'y' });
  const [leaf = ''] = await requestCertificate({
    address,
    rootCaPem: readFileSync(join(state, 'ca', 'root-cert.pem'), 'utf8'),
    credential: { kind: 'token', token },
    csr: createSigningRequest(keys, id),
    validitySeconds: 0,
    signal: new AbortController().signal,
  });
  return spiffeIdOf(new X509Certificate(leaf))?.uri ?? '';
}

describe('heddle token create', () => {
  let control: Control;
  const ends: (() => void | Promise<void>)[] = [];
  before(async () => {
    control = await startControl({ after: (end) => void ends.push(end as () => Promise<void>) });
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });

  test('prints a token that is good once, for the account', async (t) => {
    const words = ['--state', control.state, '--namespace', 'shop', '--service-account', 'reviews'];
    const { code, text } = await create(t, words);
    assert.equal(code, 0, text);
    const [token = ''] = /^hjt_\S+$/m.exec(text) ?? [];
    assert.match(text, /good once, until 20.*, for shop\/reviews/);
    assert.equal(await redeem(control, token), 'spiffe://cluster.local/ns/shop/sa/reviews');
    await assert.rejects(redeem(control, token), /unknown, used up or too old/);
  });

  test('for several uses, all at once, and no more', async (t) => {
    const { text } = await create(t, ['--state', control.state, '--uses', '3', '--ttl', '24h', '-o', 'json']);
    const { token, expiresAt, ...rest } = JSON.parse(text) as Record<string, string>;
    assert.deepEqual(rest, {
      namespace: 'default',
      serviceAccount: 'default',
      uses: 3,
      rootCa: join(control.state, 'ca', 'root-cert.pem'),
    });
    const leftMs = Date.parse(expiresAt ?? '') - Date.now();
    assert.ok(leftMs > 23 * 3_600_000 && leftMs <= 24 * 3_600_000, `${leftMs} ms`);
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => redeem(control, token ?? '')));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3);
  });

  const wrong: [words: string[], says: RegExp][] = [
    [['--ttl', '31d'], /From 1s to 720h is needed/],
    [['--uses', '0'], /A whole number from 1 to 10000/],
    [['--namespace', '../x'], /A name is needed/],
  ];
  for (const [words, says] of wrong) {
    test(`refused: ${words.join(' ')}`, async (t) => {
      const { code, text } = await create(t, ['--state', control.state, ...words]);
      assert.notEqual(code, 0);
      assert.match(text, says);
    });
  }

  test('says where to ask when nobody answers', async (t) => {
    const { code, text } = await create(t, ['--state', tempDir(t)]);
    assert.notEqual(code, 0);
    assert.match(text, /does not answer at .*admin\.sock[\s\S]*--state names its state folder/);
  });
});
