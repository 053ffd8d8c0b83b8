/** `heddle up` and `heddle run` where nft does not work, and iptables does. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { describeByFilter, pathTo } from '../support/filters.ts';
import { ask, asker, greeter, greeterFlags } from '../support/joined-programs.ts';
import { type RunTest, startControl, startRun } from '../support/run.ts';
import { startTalkingMesh, type TalkingMesh } from '../support/talking-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

const services = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 9080}, {name: tcp-greeting, port: 7000}]}
`;

describeByFilter('a captured mesh', ({ filter }) => {
  // With nft all other tests are.
  if (filter.kind === 'nft') return;
  const PATH = pathTo({ after }, filter);
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: TalkingMesh;
  before(async () => {
    mesh = await startTalkingMesh(folder, 'heddle', { PATH });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('says by what it is captured', () => {
    assert.match(mesh.output(), new RegExp(`traffic is captured, by ${filter.kind}\n`));
  });

  test('HTTP and TCP by name', async () => {
    assert.match(
      await mesh.ask('front', 'http', { to: 'http://back/' }),
      /^200 back-[12] asked by spiffe:\/\/cluster\.local\/ns\/default\/sa\/front$/,
    );
    assert.equal(await mesh.ask('back', 'tcp', { host: 'front', port: '7000' }), 'welcome to front-1');
  });

  test('a program that heddle run has brought into a mesh', async (t) => {
    const ends: (() => void | Promise<void>)[] = [];
    const whole: RunTest = { after: (end) => void ends.unshift(end as () => void) };
    try {
      const control = await startControl(whole, tempDir(t), { documents: services });
      const token = await control.token('reviews');
      const settings = { flags: greeterFlags('reviews', 'one'), env: { PATH }, token };
      await (await startRun(whole, control, greeter('one'), settings)).says(/listens/);
      const shopper = await startRun(whole, control, asker, { env: { PATH }, asks: true });
      await shopper.says(/asks/);
      await eventually(
        async () => assert.match(await ask(shopper, 'get http://reviews/'), /^200 one asked by spiffe:/),
        { timeoutMs: 30_000 },
      );
      assert.equal(await ask(shopper, 'tcp reviews 7000'), 'welcome to one');
      // All that is neither TCP nor a question for a name is refused.
      assert.equal(await ask(shopper, 'udp 192.0.2.1 9'), 'ECONNREFUSED');
    } finally {
      for (const end of ends) await end();
    }
  });
});
