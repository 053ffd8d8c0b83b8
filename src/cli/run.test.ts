import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { commands, findCommand, registerAsked } from './catalogue.ts';
import { CliError, EXIT_DATA } from './exit.ts';
import type { Planes } from './planes.ts';
import { colours } from './render/colour.ts';
import { runCommandLine } from './run.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(words: readonly string[], planes: Partial<Planes> = {}): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommandLine(words, {
    planes: planes as Planes,
    register: registerAsked,
    terminal: {
      out: (line) => void out.push(line),
      err: (line) => void err.push(line),
      outColour: colours(false),
      errColour: colours(false),
    },
  });
  const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
  return { code, out: textOf(out), err: textOf(err) };
}

describe('catalogue', () => {
  test('lists every file of command/', () => {
    const files = readdirSync(join(import.meta.dirname, 'command'))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => file.replace('.ts', ''));
    assert.deepEqual(files.sort(), commands.map(({ name }) => name).sort());
  });

  for (const { name, load } of commands) {
    test(`${name}: has its own name, help and examples`, async () => {
      assert.equal((await load()).command.name, name);
      const { code, out } = await run([name, '--help']);
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^Usage: heddle ${name}`));
      assert.match(out, /\nExamples?:\n {2}heddle /);
    });
  }

  test('aliases lead to their command', () => {
    assert.equal(findCommand('ps')?.name, 'proxy-status');
    assert.equal(findCommand('pc')?.name, 'proxy-config');
  });
});

describe('runCommandLine', () => {
  test('without a word it shows all commands', async () => {
    const { code, out } = await run([]);
    assert.equal(code, 0);
    for (const { name, hidden = false } of commands)
      assert.equal(new RegExp(`\\n {2}${name}`).test(out), !hidden, name);
  });

  const usage = [
    {
      why: 'an unknown command, with the nearest',
      words: ['verson'],
      says: /unknown command 'verson'[\s\S]*version/,
    },
    { why: 'an unknown option, with the nearest', words: ['version', '--outptu'], says: /--output/ },
    { why: 'a missing argument', words: ['up'], says: /missing required argument 'path'/ },
    { why: 'a wrong value', words: ['version', '-o', 'xml'], says: /Allowed choices are table, json, yaml/ },
  ];
  for (const { why, words, says } of usage) {
    test(`64 for ${why}`, async () => {
      const { code, out, err } = await run(words);
      assert.equal(code, 64);
      assert.equal(out, '');
      assert.match(err, says);
    });
  }

  test("the exit code is the plane's", async () => {
    assert.equal((await run(['up', 'x'], { up: async () => 7 })).code, 7);
  });

  test('what a person can mend is a message, what to do, and its code', async () => {
    const up = async (): Promise<number> => {
      throw new CliError('no such mesh', { advice: 'start one', exitCode: EXIT_DATA });
    };
    const { code, err } = await run(['up', 'x'], { up });
    assert.equal(code, 65);
    assert.equal(err, '✘ no such mesh\n  start one\n');
  });

  test('anything else is a bug with its stack', async () => {
    const up = async (): Promise<number> => {
      throw new TypeError('oops');
    };
    const { code, err } = await run(['up', 'x'], { up });
    assert.equal(code, 1);
    assert.match(err, /This is a bug in heddle .*\n.*TypeError: oops\n\s+at /);
  });

  test('version as table and as data', async () => {
    assert.match((await run(['version'])).out, /^heddle \d+\.\d+\.\d+ \(node /);
    assert.deepEqual(Object.keys(JSON.parse((await run(['version', '-o', 'json'])).out)), ['heddle', 'node']);
    assert.match((await run(['--version'])).out, /^heddle \d/);
  });
});
