/**
 * What our proxy does not do yet, by the name of the case, with the reason: such a case must fail, so that it
 * leaves the list with the change that makes it pass.
 */
const upgradeToHttp2 = 'an upgrade is not answered rightly where the upstream speaks HTTP/2';

export const pending: Readonly<Record<string, string>> = {
  'ws to ws over HTTP/2': upgradeToHttp2,
  'ws to ws over HTTP/2, TLS': upgradeToHttp2,
  'websockets to ws over HTTP/2': upgradeToHttp2,
  'websockets to ws over HTTP/2, TLS': upgradeToHttp2,
  'ws over HTTP/2 to ws over HTTP/2': upgradeToHttp2,
  'ws over HTTP/2 to ws over HTTP/2, TLS': upgradeToHttp2,
};
