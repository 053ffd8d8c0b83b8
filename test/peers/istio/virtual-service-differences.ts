/** Where VirtualServices differ on purpose from the schema that Istio publishes, and why. */
import type { KnownDifference } from './known-differences.ts';

const webhook = 'Istio refuses it too, by its webhook';

const lines: readonly (readonly [line: RegExp, why: string])[] = [
  [/(allowMethods\[\]|grpcStatus|redirect\.scheme): .* is no word there/, `a plain text there; ${webhook}`],
  [/delegate\.name: is required/, 'there would be nobody to delegate to'],
  [/(directResponse\.status|httpStatus): m(in|ax)imum/, `200 to 599: ${webhook}`],
  [/(percentage\.value|[pP]ercent|mirrorPercentage\.value): m(in|ax)imum/, `0 to 100: ${webhook}`],
  [
    /(port|port\.number): m(in|ax)imum/,
    `1 to 65535: ${webhook}; in a match and a redirect it lets 0 pass for none`,
  ],
  [/destination\.port\.number: is required|mirror\.port\.number: is required/, webhook],
  [/(weight|retries\.attempts): m(in|ax)imum/, `an int32; below 0: ${webhook}`],
  [/redirectCode: maximum/, `300 to 399: ${webhook}, and it does nothing with those that are refused here`],
  [/uriRegexRewrite\.(match|rewrite): is required/, webhook],
  [/(host|destinationSubnets\[\]|sniHosts\[\]): minLength/, webhook],
  [/t(cp|ls)\[\]\.route: (is required|minItems)/, webhook],
  [/tls\[\]\.match(\[\]\.sniHosts)?: minItems/, webhook],
  [/(http2Error|exponentialDelay): refused/, webhook],
  [/sourceSubnet: refused/, 'hidden and without effect there: the route would take everybody'],
];

export const virtualServiceDifferences: readonly KnownDifference[] = lines.map(([line, why]) => ({
  ...{ kind: 'VirtualService', line, why },
}));
