/** HPACK (RFC 7541) for a peer that may send anything: fields go out literally, and come in as they may. */
import { huffmanDecoded } from './huffman.ts';

export type Field = readonly [name: string, value: string];

const staticTable: readonly Field[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status): Field => [':status', status]),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    ...['accept-language', 'accept-ranges', 'accept', 'access-control-allow-origin', 'age', 'allow'],
    ...['authorization', 'cache-control', 'content-disposition', 'content-encoding', 'content-language'],
    ...['content-length', 'content-location', 'content-range', 'content-type', 'cookie', 'date', 'etag'],
    ...['expect', 'expires', 'from', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range'],
    ...['if-unmodified-since', 'last-modified', 'link', 'location', 'max-forwards', 'proxy-authenticate'],
    ...['proxy-authorization', 'range', 'referer', 'refresh', 'retry-after', 'server', 'set-cookie'],
    ...['strict-transport-security', 'transfer-encoding', 'user-agent', 'vary', 'via', 'www-authenticate'],
  ].map((name): Field => [name, '']),
];

/** An integer with a prefix of so many bits (RFC 7541 §5.1), under `pattern`. */
export function hpackInteger(value: number, prefixBits: number, pattern = 0): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.from([pattern | value]);
  const bytes = [pattern | limit];
  for (let rest = value - limit; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([hpackInteger(bytes.length, 7), bytes]);
}

/** Each field a literal without indexing, without Huffman: nothing is judged. */
export function hpackBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** Each field a literal that enters the dynamic table of who reads it. */
export function hpackIndexed(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0x40]), literal(name), literal(value)]),
  );
}

/** Reads blocks in order; keeps the dynamic table. */
export class HpackReader {
  #table: Field[] = [];
  #limit = 4096;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  read(block: Buffer): Field[] {
    this.#bytes = block;
    this.#at = 0;
    const fields: Field[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if (first & 0x80) fields.push(this.#entry(this.#integer(7)));
      else if (first & 0x40) {
        const field = this.#field(6);
        fields.push(field);
        this.#table.unshift(field);
        this.#evict();
      } else if (first & 0x20) {
        this.#limit = this.#integer(5);
        this.#evict();
      } else fields.push(this.#field(4));
    }
    return fields;
  }

  #field(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    return [name, this.#text()];
  }

  #entry(index: number): Field {
    const found =
      index <= staticTable.length ? staticTable[index - 1] : this.#table[index - staticTable.length - 1];
    if (found === undefined) throw new Error(`no entry ${index} in the table`);
    return found;
  }

  #integer(prefixBits: number): number {
    const limit = 2 ** prefixBits - 1;
    let value = this.#bytes[this.#at++]! & limit;
    if (value < limit) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  #text(): string {
    const huffman = (this.#bytes[this.#at]! & 0x80) !== 0;
    const length = this.#integer(7);
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return huffman ? huffmanDecoded(bytes) : bytes.toString('latin1');
  }

  #evict(): void {
    let size = 0;
    const kept = this.#table.findIndex(([name, value]) => {
      size += name.length + value.length + 32;
      return size > this.#limit;
    });
    if (kept !== -1) this.#table.length = kept;
  }
}
