/** How Node is started for a proxy; `bin/heddle` and `src/host/self.ts` hold the same. */
export const proxyFlags = ['--expose-gc', '--use-openssl-ca'];
