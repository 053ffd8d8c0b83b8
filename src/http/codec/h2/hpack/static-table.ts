/** The static table of RFC 7541, Appendix A. Positions count from 1, as on the wire. */
import { classesOf, type FieldInfo, FieldName, infoWithValue } from '../field-kind.ts';

const rows: readonly (readonly [name: string, value?: string])[] = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
];

/** Entries of the static table; the first of the dynamic one comes after it. */
export const STATIC_ENTRIES: number = rows.length;

/** By position; there is no position 0. */
export const staticNames: string[] = [''];
export const staticValues: string[] = [''];
export const staticInfos: FieldInfo[] = [0];

const reader = new FieldName();
for (const [name, value = ''] of rows) {
  const nameBytes = Buffer.from(name, 'latin1');
  const valueBytes = Buffer.from(value, 'latin1');
  reader.read(nameBytes, 0, nameBytes.length);
  staticNames.push(reader.name);
  staticValues.push(value);
  staticInfos.push(infoWithValue(reader.info, classesOf(valueBytes, 0, valueBytes.length)));
}
