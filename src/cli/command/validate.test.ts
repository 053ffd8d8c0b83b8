import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { registerAsked } from '../catalogue.ts';
import { EXIT_DATA, EXIT_FAILURE, EXIT_USAGE } from '../exit.ts';
import type { Planes } from '../planes.ts';
import { colours } from '../render/colour.ts';
import { runCommandLine } from '../run.ts';

const folder = mkdtempSync(join(tmpdir(), 'heddle-validate-'));
after(() => rmSync(folder, { recursive: true }));

const good = 'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n';
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

async function validate(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommandLine(['validate', ...words], {
    planes: {} as Planes,
    register: registerAsked,
    terminal: {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      outColour: colours(false),
      errColour: colours(false),
    },
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('heddle validate', () => {
  test('a good file', async () => {
    assert.deepEqual(await validate(file('good.yaml', good)), {
      code: 0,
      out: '✔ 1 good document, no problems',
      err: '',
    });
  });

  test('a slip: place, line, suggestion and exit code', async () => {
    const bad = file('bad.txt', good.replace('metadata', 'metdata'));
    const { code, out } = await validate(bad);
    assert.equal(code, EXIT_DATA);
    assert.match(out, /bad\.txt:3:1: ServiceAccount .*: metdata: there is no such field\n/);
    assert.match(out, /\n {4}3 \| metdata: \{name: a\}\n {6}\| \^\n {2}did you mean "metadata"\?\n/);
  });

  test('-o json holds the same', async () => {
    const { code, out } = await validate('-o', 'json', file('more.txt', `${good}x: 1\n`));
    const { valid, problems } = JSON.parse(out);
    assert.deepEqual([code, valid, problems.length, problems[0].at.line], [EXIT_DATA, false, 1, 4]);
  });

  test('what is not supported and closes something can be allowed by its kind', async () => {
    const policy = file(
      'policy.txt',
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\n',
    );
    assert.equal((await validate(policy)).code, EXIT_DATA);
    const allowed = await validate(policy, '--allow-unsupported', 'AuthorizationPolicy');
    assert.equal(allowed.code, 0);
    assert.match(allowed.out, /allowed, so it has no effect/);
    assert.equal((await validate(policy, '--allow-unsupported', 'AuthorisationPolicy')).code, EXIT_USAGE);
  });

  test('a file that is not there', async () => {
    const { code, err } = await validate(join(folder, 'nothing.yaml'));
    assert.equal(code, EXIT_FAILURE);
    assert.match(err, /Cannot read .*nothing\.yaml: there is no such file or folder/);
  });

  test('--fix repairs, shows what, and judges what is left', async () => {
    const slip = `# first\n${good.replace('metadata', 'metdata')}`;
    const bad = file('fix.txt', slip);
    const shown = await validate('--fix', '--dry-run', bad);
    assert.deepEqual([shown.code, readFileSync(bad, 'utf8')], [0, slip]);
    assert.match(shown.out, /^-metdata: \{name: a\}\n\+metadata: \{name: a\}$/m);
    const done = await validate('--fix', '-o', 'json', bad);
    assert.deepEqual([done.code, readFileSync(bad, 'utf8')], [0, `# first\n${good}`]);
    assert.deepEqual(
      JSON.parse(done.out).repaired.map(({ path }: { path: string }) => path),
      ['metdata'],
    );
    const worse = file('worse.txt', `${good}xyz: 1\nkinds: 1\n`);
    assert.equal((await validate('--fix', worse)).code, EXIT_DATA);
  });

  test('--dry-run alone, and what is not UTF-8', async () => {
    assert.equal((await validate('--dry-run', file('dry.txt', good))).code, EXIT_USAGE);
    const latin = join(folder, 'latin.txt');
    writeFileSync(latin, Buffer.from(`# \xe4\n${good.replace('metadata', 'metdata')}`, 'latin1'));
    const { code, err } = await validate('--fix', latin);
    assert.deepEqual([code, /is not UTF-8/.test(err)], [EXIT_FAILURE, true]);
  });

  test('a folder stands for the YAML files in it', async () => {
    const { code, out } = await validate(folder);
    assert.deepEqual([code, out], [0, '✔ 1 good document, no problems']);
  });
});
