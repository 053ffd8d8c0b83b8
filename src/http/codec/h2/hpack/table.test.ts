/** Both tables against the plainest one that could be. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { hashOfName } from './encoding-rule.ts';
import { EncodingTable, hashOfField } from './encoding-table.ts';
import { DecodingTable } from './table.ts';

class PlainTable {
  readonly fields: [name: string, value: string][] = [];
  maxBytes = 4096;

  get bytes(): number {
    return this.fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }

  insert(name: string, value: string): void {
    this.fields.unshift([name, value]);
    this.resize(this.maxBytes);
  }

  resize(maxBytes: number): void {
    this.maxBytes = maxBytes;
    while (this.bytes > maxBytes) this.fields.pop();
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 20, arbitrary: fc.tuple(fc.constantFrom('a', 'bb', 'ccc', 'x-dd'), fc.nat(20).map(String)) },
    {
      weight: 2,
      arbitrary: fc.tuple(
        fc.constant('long'),
        fc.nat(600).map((length) => 'v'.repeat(length)),
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom(0, 33, 64, 500, 4096) },
  ),
  { maxLength: 150, size: 'max' },
);

describe("the decoder's table", () => {
  test('holds what the plain one holds', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const plain = new PlainTable();
        const table = new DecodingTable(4096);
        for (const [i, step] of all.entries()) {
          if (typeof step === 'number') {
            plain.resize(step);
            table.resize(step);
          } else {
            plain.insert(step[0]!, step[1]!);
            table.insert(step[0]!, step[1]!, i);
          }
          assert.equal(table.bytes, plain.bytes);
          const there = Array.from({ length: table.entries }, (_, age) => {
            const slot = table.slotOf(age);
            return [table.name(slot), table.value(slot)];
          });
          assert.deepEqual(there, plain.fields);
        }
      }),
    );
  });
});

describe("the encoder's table", () => {
  test('finds nothing that is not there, and the newest of a name', () => {
    let found = 0;
    let missed = 0;
    fc.assert(
      fc.property(steps, (all) => {
        const plain = new PlainTable();
        const table = new EncodingTable(4096);
        for (const step of all) {
          if (typeof step === 'number') {
            plain.resize(step);
            table.resize(step);
            continue;
          }
          const [name, value] = step as [string, string];
          const nameHash = hashOfName(name);
          const hash = hashOfField(nameHash, value);
          const position = table.find(name, value, hash);
          if (position !== 0) {
            found++;
            assert.deepEqual(plain.fields[position - 62], step);
          } else if (plain.fields.some((field) => field[0] === name && field[1] === value)) missed++;
          const nameAt = table.findName(name, nameHash);
          if (nameAt !== 0) {
            assert.equal(
              nameAt - 62,
              plain.fields.findIndex((field) => field[0] === name),
            );
          }
          if (position !== 0 || name.length + value.length + 32 > table.maxBytes) continue;
          plain.insert(name, value);
          table.insert(name, value, nameHash, hash);
        }
      }),
    );
    assert.ok(found > 100, String(found));
    assert.ok(missed < found / 50, `${missed} of ${found} were there and not found`);
  });
  test('forgets what was pushed out', () => {
    const table = new EncodingTable(80);
    const put = (name: string): void =>
      table.insert(name, '', hashOfName(name), hashOfField(hashOfName(name), ''));
    put('a');
    put('b');
    assert.equal(table.findName('a', hashOfName('a')), 63);
    put('c');
    assert.equal(table.findName('a', hashOfName('a')), 0);
    assert.equal(table.find('b', '', hashOfField(hashOfName('b'), '')), 63);
  });
});
