/** Where Gateways differ on purpose from the schema that Istio publishes, and why. */
import type { KnownDifference } from './known-differences.ts';

const webhook = 'Istio refuses it too, by its webhook';

const lines: readonly (readonly [line: RegExp, why: string])[] = [
  [/servers(\[\]\.hosts)?: (is required here|minItems)/, webhook],
  [/port\.name: minLength/, webhook],
  [/port\.number: maximum/, `1 to 65535: ${webhook}`],
  [/(targetPort|defaultEndpoint): meaningless/, 'no effect on a gateway, in Istio neither'],
];

export const gatewayDifferences: readonly KnownDifference[] = lines.map(([line, why]) => ({
  ...{ kind: 'Gateway', line, why },
}));
