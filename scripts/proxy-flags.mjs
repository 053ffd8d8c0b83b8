/**
 * How Node is started for a proxy; `bin/heddle` and `src/host/self.ts` hold the same. Memory is given back
 * by a collection that is asked for; root certificates nobody uses are not read; code that did not run
 * between two collections is let go, and compiled again when it runs.
 */
export const proxyFlags = [
  '--expose-gc',
  '--use-openssl-ca',
  '--bytecode-old-age=1',
  '--flush-baseline-code',
];
