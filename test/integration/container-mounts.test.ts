/** Volumes in the mount namespaces of containers, made for real, as root and in a user namespace. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ContainerMount, mountVolumes } from '#host/network/container-mounts.ts';
import { findNamespaceMeans, type NamespaceMeans } from '#host/network/means.ts';
import { Namespace } from '#host/network/namespace.ts';
import { run } from '#host/network/run.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('mounts of a container', async () => {
  const found = await findNamespaceMeans(process.env);
  if (!found.ok) {
    const why = `${found.reason} (${found.remedy})`;
    test('volumes in namespaces', { skip: why }, () => {});
    return;
  }
  // Root can have a user namespace too, in which it may do no more than anybody else.
  const kinds = found.means.kind === 'root' ? (['root', 'user'] as const) : (['user'] as const);
  for (const kind of kinds) describe(kind, () => mountTests({ ...found.means, kind }));
});

const writable = { readOnly: false, takesFolders: true };
const given = { readOnly: true, takesFolders: false };

function mountTests(means: NamespaceMeans): void {
  let hub: Namespace;
  let pod: Namespace;
  before(async () => {
    hub = await Namespace.open(means);
    pod = await Namespace.open(means, hub);
  });
  after(async () => {
    await pod?.close();
    await hub?.close();
  });

  type Context = Parameters<typeof tempDir>[0];
  /** @param keep @returns what a shell says there, as an application */
  const mounted = async (t: Context, folder: string, mounts: readonly ContainerMount[], keep = '/') => {
    const namespace = await Namespace.openMounts(means, pod);
    t.after(() => void namespace.close());
    await mountVolumes(namespace, means.programs.mount, { folder, mounts, keep });
    return async (script: string, workingDirectory = '/'): Promise<string> => {
      const { stdout, stderr } = await run([...namespace.enterPlainly(workingDirectory), 'sh', '-c', script]);
      return (stdout + stderr).trim();
    };
  };
  const folders = (t: Context, ...names: readonly string[]): string => {
    const folder = tempDir(t);
    for (const name of names) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'file'), `of ${name}\n`);
    }
    return folder;
  };

  test('at paths that the machine has not, with all that it has beside them', async (t) => {
    const folder = folders(t, 'a', 'b');
    const sh = await mounted(t, folder, [
      { source: 'a', at: '/etc/heddle-a/deep', ...given },
      { source: 'b', at: '/heddle-b', ...writable },
      { source: 'b/file', at: '/etc/heddle.conf', ...given },
    ]);
    assert.equal(await sh('cat /etc/heddle-a/deep/file /heddle-b/file /etc/heddle.conf'), 'of a\nof b\nof b');
    assert.equal(await sh('cat /etc/passwd'), readFileSync('/etc/passwd', 'utf8').trim());
    for (const path of ['/', '/etc']) {
      const names = readdirSync(path).filter((name) => !name.startsWith('heddle'));
      const seen = (await sh(`ls -A ${path}`)).split('\n').filter((name) => !name.startsWith('heddle'));
      assert.deepEqual(seen.sort(), names.sort());
    }
    assert.match(await sh('echo x >/etc/heddle-a/deep/file'), /Read-only file system/);
    assert.equal(await sh('echo x >/heddle-b/new'), '');
    assert.equal(readFileSync(join(folder, 'b/new'), 'utf8'), 'x\n');
    assert.match(await sh('umount /heddle-b'), /must be superuser|permission|permitted/i);
    for (const path of ['/etc/heddle-a', '/heddle-b', '/etc/heddle.conf']) assert.ok(!existsSync(path), path);
  });

  test('over a folder that hides the volumes themselves and where the application is', async (t) => {
    const folder = folders(t, 'tmp', 'inner');
    const home = tempDir(t);
    writeFileSync(join(home, 'app'), 'application\n');
    const above = join(folder, '..');
    const sh = await mounted(
      t,
      folder,
      [
        { source: 'inner', at: `${above}/inner/most`, ...writable },
        { source: 'tmp', at: above, ...writable },
      ],
      home,
    );
    assert.equal(await sh(`cat ${above}/file ${above}/inner/most/file`), 'of tmp\nof inner');
    assert.equal(await sh('cat app; echo here >new', home), 'application');
    assert.equal(readFileSync(join(home, 'new'), 'utf8'), 'here\n');
  });

  test('what cannot be mounted is said', async (t) => {
    const folder = folders(t, 'a', 'b');
    const cases: readonly (readonly [readonly ContainerMount[], RegExp])[] = [
      [
        [{ source: 'a', at: '/etc/passwd', ...given }],
        /^\/etc\/passwd is a file here, and what is to be mounted there a folder$/,
      ],
      [
        [{ source: 'a/file', at: '/etc', ...given }],
        /^\/etc is a folder here, and what is to be mounted there a file$/,
      ],
      [
        [
          { source: 'a', at: '/heddle-a', ...given },
          { source: 'b', at: '/heddle-a/b', ...writable },
        ],
        /^the volume at \/heddle-a has no place for \/heddle-a\/b$/,
      ],
    ];
    for (const [mounts, message] of cases) await assert.rejects(mounted(t, folder, mounts), { message });
  });
}
