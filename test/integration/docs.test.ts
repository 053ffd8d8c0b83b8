/** What the documents show is true: YAML is valid, commands exist and run, links lead somewhere. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startHeddle } from '../support/heddle.ts';
import { anchorsOf, blocksOf, commandsOf, inlineCodeOf, linksOf } from '../support/markdown.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = resolve(import.meta.dirname, '../..');
const bin = join(root, 'bin');
const files = globSync(['*.md', 'docs/**/*.md', 'examples/*/README.md'], { cwd: root }).sort();
const documents = files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));
const blocks = documents.flatMap(({ file, text }) => blocksOf(text).map((block) => ({ file, ...block })));
const languages = ['', 'sh', 'sh mesh', 'text', 'yaml', 'yaml envoy', 'ts', 'json', 'mermaid'];
const commandDeadlineMs = 20_000;

/** Commands that are only shown, by what they begin with. */
const runElsewhere: readonly [begins: string, why: string][] = [
  ['git clone', 'needs the network'],
  ['cd heddle', 'follows git clone'],
];

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const npmOwn = ['ci', 'install', 'start', 'test', 'pack'];

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function heddle(...words: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(join(bin, 'heddle'), words, { cwd: root, encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

const helpTexts = new Map<string, Outcome>();

/** What `heddle COMMAND --help` says; remembered. */
function helpOf(command: string): Outcome {
  const known = helpTexts.get(command) ?? heddle(command, '--help');
  helpTexts.set(command, known);
  return known;
}

/** Fails unless there is such a command of Heddle with such flags, and the YAML of this project is valid. */
function assertHeddleCommand(words: readonly string[]): void {
  const [command = '', ...more] = words;
  const { status, output } = helpOf(command);
  assert.equal(status, 0, `there is no heddle ${command}`);
  for (const flag of more.filter((word) => word.startsWith('-'))) {
    assert.match(output, new RegExp(`(^|\\s)${flag}[ ,]`, 'm'), `heddle ${command} has no ${flag}`);
  }
  const paths = more.filter((word) => existsSync(join(root, word)));
  if (['up', 'validate'].includes(command) && paths.length > 0 && paths.length === more.length) {
    const validated = heddle('validate', ...paths);
    assert.equal(validated.status, 0, validated.output);
  }
}

function assertKnown(command: string): void {
  if (runElsewhere.some(([begins]) => command.startsWith(begins))) return;
  const [program = '', ...words] = command.split(/\s+/);
  if (program === 'heddle' || program === 'bin/heddle') {
    assertHeddleCommand(words);
    return;
  }
  assert.equal(program, 'npm', `${command}: mark its block "sh mesh", or say where it is run`);
  const [verb = '', script = ''] = words;
  assert.ok(npmOwn.includes(verb) || (verb === 'run' && script in scripts), `${command}: no such script`);
}

describe('documents', () => {
  test('there are some', () => assert.ok(files.includes('README.md') && blocks.length >= 5));

  for (const { file, line, language } of blocks) {
    test(`${file}:${line} is of a kind that is looked at`, () => {
      assert.ok(languages.includes(language), `unknown kind of block: ${language}`);
    });
  }

  for (const { file, text } of documents) {
    test(`links of ${file}`, () => {
      for (const { target, line } of linksOf(text)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const to = path === '' ? join(root, file) : resolve(root, dirname(file), path);
        assert.ok(existsSync(to), `${file}:${line}: there is no ${target}`);
        if (anchor === undefined || !to.endsWith('.md')) continue;
        assert.ok(
          anchorsOf(readFileSync(to, 'utf8')).has(anchor),
          `${file}:${line}: no heading for ${target}`,
        );
      }
    });

    test(`commands in the text of ${file}`, () => {
      for (const code of inlineCodeOf(text)) {
        const words = /^(?:bin\/)?heddle ([a-z].*)$/.exec(code)?.[1]?.split(/\s+/);
        if (words !== undefined) assertHeddleCommand(words);
      }
    });
  }

  for (const { file, line, text } of blocks.filter(({ language }) => language === 'yaml')) {
    test(`YAML of ${file}:${line} is valid`, (t) => {
      const written = join(tempDir(t), 'shown.yaml');
      writeFileSync(written, text);
      const { status, output } = heddle('validate', written);
      assert.equal(status, 0, output);
    });
  }

  for (const { file, line, text } of blocks.filter(({ language }) => language === 'yaml envoy')) {
    test(`bootstrap of ${file}:${line} is valid`, (t) => {
      const written = join(tempDir(t), 'shown.yaml');
      writeFileSync(written, text);
      const { status, output } = heddle('proxy', '-c', written, '--mode', 'validate');
      assert.equal(status, 0, output);
    });
  }

  for (const block of blocks.filter(({ language }) => language === 'sh')) {
    test(`commands of ${block.file}:${block.line} are known`, () => {
      for (const command of commandsOf(block)) assertKnown(command);
    });
  }

  test('commands for a running mesh run', async (t) => {
    // Where commands look for a mesh when they are not told where it is.
    const env = { XDG_STATE_HOME: tempDir(t) };
    const stateDirectory = join(env.XDG_STATE_HOME, 'heddle', 'bookstore');
    const mesh = startHeddle(t, ['examples/bookstore'], { stateDirectory, env, capture: 'auto' });
    const { ingressUrls } = await mesh.up(60_000);
    const shown = blocks.filter(({ language }) => language === 'sh mesh');
    assert.ok(shown.length >= 2);
    for (const block of shown) {
      for (const command of commandsOf(block)) {
        await t.test(`${block.file}:${block.line}: ${command}`, async () => {
          const real = command.replaceAll('http://127.0.0.1:8080', ingressUrls[0] ?? '');
          const options = {
            cwd: root,
            timeout: commandDeadlineMs,
            env: { ...process.env, ...env, PATH: `${bin}:${process.env.PATH}` },
          };
          const { stdout } = await promisify(execFile)(
            '/bin/sh',
            ['-ec', real.replace(/^curl /, 'curl -fsS ')],
            options,
          );
          assert.notEqual(stdout.trim(), '');
        });
      }
    }
  });
});
