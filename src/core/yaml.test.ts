import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseYaml } from './yaml.ts';

const values = (text: string): unknown[] => parseYaml(text, 'x.yaml').documents.map((d) => d.value);
const messages = (text: string): string[] =>
  parseYaml(text, 'x.yaml').problems.map((p) => `${p.at?.line}:${p.at?.column} ${p.message}`);

describe('values', () => {
  const cases: [text: string, value: unknown, why: string][] = [
    [
      'a: 1\nb: [x, "2", null, ~, true, 1.5, 0x10, 0o7]',
      { a: 1, b: ['x', '2', null, null, true, 1.5, 16, 7] },
      'core schema',
    ],
    ['a: 0400\nb: -017\nc: 0800\nd: 0', { a: 256, b: -15, c: 800, d: 0 }, 'octal, as file modes are written'],
    ['a: yes\nb: 1.20.3\nc: 10s', { a: 'yes', b: '1.20.3', c: '10s' }, 'not numbers, not booleans'],
    ['{"a": [1, {"b": "\\u00e9"}]}', { a: [1, { b: 'é' }] }, 'JSON'],
    ['a: |\n  x\n  y\nb: >-\n  x\n  y\n', { a: 'x\ny\n', b: 'x y' }, 'block scalars'],
    ['a: &x {p: 1}\nb: *x', { a: { p: 1 }, b: { p: 1 } }, 'alias'],
    ['a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3', { a: { p: 1, q: 2 }, b: { q: 3, p: 1 } }, 'merge key'],
    ['a: {<<: [{p: 1}, {p: 2, q: 2}]}', { a: { p: 1, q: 2 } }, 'merge of a list: the first wins'],
    ['"<<": 1', { '<<': 1 }, 'a quoted << is a key'],
    ['80: x\ntrue: y', { 80: 'x', true: 'y' }, 'keys are texts'],
    ['a: !!str 1\nb: ! 2', { a: '1', b: '2' }, 'tag of a text'],
    ['\ufeffa: 1', { a: 1 }, 'byte order mark'],
    ['a:\r\n  b: 1\r\n', { a: { b: 1 } }, 'CRLF'],
  ];
  for (const [text, value, why] of cases) {
    test(why, () => {
      assert.deepEqual(messages(text), []);
      assert.deepEqual(values(text), [value]);
    });
  }
  test('the key __proto__ is a field and changes no prototype', () => {
    const [value] = values('__proto__: {a: 1}') as [object];
    assert.deepEqual(Object.keys(value), ['__proto__']);
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
  });
});

describe('documents', () => {
  test('several, empty ones left out', () => {
    assert.deepEqual(values('# only a comment\n---\na: 1\n---\n---\nb: 2\n...\n'), [{ a: 1 }, { b: 2 }]);
  });
  test('a broken one keeps the others, with true lines', () => {
    const result = parseYaml('a: 1\n---\nb: [\n---\nc: 3\n---\nd: "\n', 'x.yaml');
    assert.deepEqual(
      result.documents.map((d) => d.value),
      [{ a: 1 }, { c: 3 }],
    );
    assert.deepEqual(
      result.problems.map((p) => p.at?.line),
      [4, 8],
    );
    assert.equal(result.incomplete, true);
    assert.deepEqual(result.documents[1]?.positionOf(['c']), { file: 'x.yaml', line: 5, column: 1 });
  });
  test('an empty text has none', () => assert.deepEqual(parseYaml('', 'x.yaml').documents, []));
});

describe('problems', () => {
  const cases: [text: string, message: string, why: string][] = [
    ['a: 1\nb: 2\na: 3', '3:1 the key "a" is there twice', 'duplicate key'],
    ['a: *x', '1:4 the alias *x has no anchor before it', 'unknown alias'],
    ['a: &x [*x]', '1:8 the alias *x has no anchor before it', 'an alias inside its own anchor'],
    ['<<: 3', '1:5 <<: takes a mapping or a list of mappings', 'merge of a number'],
    ['? [a]\n: 1', '1:3 a key is a text', 'a list as key'],
    ['a: !!binary aGk=', '1:13 the tag !!binary is not known here or does not fit its value', 'tag'],
    ['a: !secret {b: 1}', '1:12 the tag !secret is not known here', 'own tag'],
  ];
  for (const [text, message, why] of cases) {
    test(why, () => assert.deepEqual(messages(text), [message]));
  }
  test('a bomb of aliases is refused once', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 12; i++)
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    const found = messages(lines.join('\n'));
    assert.equal(found.length, 1);
    assert.match(found[0]!, /aliases unfold to more than 100000 values/);
  });
});

describe('positionOf', () => {
  const [document] = parseYaml(
    'kind: X\nspec:\n  http:\n  - match:\n    - uri: /a\n    route: []\n  - "b"\n',
    'x.yaml',
  ).documents;
  const cases: [path: (string | number)[], place: string | undefined, why: string][] = [
    [[], '1:1', 'the document'],
    [['spec'], '2:1', 'a key'],
    [['spec', 'http', 0], '4:5', 'an item'],
    [['spec', 'http', 0, 'match', 0, 'uri'], '5:7', 'a key in an item'],
    [['spec', 'http', 1], '7:5', 'a quoted item, with its quote'],
    [['spec', 'http', 0, 'nothing', 'more'], '4:5', 'nearest enclosing'],
    [['nothing'], undefined, 'not there'],
  ];
  for (const [path, place, why] of cases) {
    test(why, () => {
      const at = document?.positionOf(path);
      assert.equal(at && `${at.line}:${at.column}`, place);
    });
  }
});
