import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseJson } from './json.ts';

describe('a text of JSON', () => {
  const values = {
    'an empty object': '{}',
    'fields of all kinds': '{"a": [1, -2.5e3, true, null, {"b": "c"}], "d": {}}',
    'texts that look like keys': String.raw`{"a": "\"b\": 1", "c\"": "}:{", "d" : "\\", "e\\":1}`,
    'a key called __proto__': '{"__proto__": {"a": 1}}',
    'space around it': '\n\t {"a"\r\n:\n1}\n',
  };
  for (const [name, text] of Object.entries(values)) {
    test(name, () => assert.deepEqual(parseJson(text, 8)?.value, JSON.parse(text)));
  }

  const others = {
    'a key that is there twice': '{"a": 1, "b": {"c": 1, "c": 2}}',
    'the same key written in two ways': String.raw`{"a": 1, "\u0061": 2}`,
    'a list': '[{"a": 1}]',
    YAML: '{a: 1}',
    'two documents': '{"a": 1}\n---\n{"b": 1}',
    'a comma too many': '{"a": 1,}',
    nothing: '',
  };
  for (const [name, text] of Object.entries(others)) {
    test(`not ${name}`, () => assert.equal(parseJson(text, 8), undefined));
  }

  test('not what is nested deeper than it may be', () => {
    const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    assert.notEqual(parseJson(nested(8), 8), undefined);
    assert.equal(parseJson(nested(9), 8), undefined);
  });
});
