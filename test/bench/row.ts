/** The rows of the benchmark: one kind of work each, done by every contender in turn. */
import { largeBodyBytes, smallBodyBytes } from './config/nginx.ts';
import type { Chain } from './contender.ts';
import type { Load } from './measure/load.ts';

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly path: string;
  readonly load: Load;
  readonly chain: Chain;
}

export const rows: readonly Row[] = [
  {
    name: 'h1-small',
    title: `HTTP/1.1, ${smallBodyBytes} B body, saturated`,
    path: '/small',
    load: { connections: 64 },
    chain: 'single',
  },
  {
    name: 'h1-small-1000rps',
    title: `HTTP/1.1, ${smallBodyBytes} B body, 1,000 requests/s`,
    path: '/small',
    // Few connections: each sends on its own beat, and all beats begin together.
    load: { connections: 4, ratePerSecond: 1000 },
    chain: 'single',
  },
  {
    name: 'h1-64k',
    title: `HTTP/1.1, ${largeBodyBytes / 1024} KiB body, saturated`,
    path: '/64k',
    load: { connections: 64 },
    chain: 'single',
  },
  {
    name: 'mtls-pair',
    title: `HTTP/1.1 through two proxies with mutual TLS between them, ${smallBodyBytes} B body, saturated`,
    path: '/small',
    load: { connections: 64 },
    chain: 'pair',
  },
];
