/** The page of the reference about the codes of analysis. */
import { analysisCodes, type Code } from '#model/analyze/codes.ts';
import { istioAnalyzers } from '#model/analyze/istio/catalogue.ts';

/** Istio's codes that nothing gives here, each with the reason. */
const absent: readonly (readonly [code: string, name: string, why: string])[] = [
  ['IST0001', 'InternalError', 'a fault of Heddle ends the command with its stack'],
  ['IST0136', 'AlphaAnnotation', "Istio's cases of analysis have such annotations and expect no message"],
  ['IST0140', 'IngressRouteRulesNotAffected', "not built yet: none of Istio's cases shows when it is due"],
  ['IST0141', 'InsufficientPermissions', 'there is no cluster whose permissions could lack'],
  ['IST0142', 'UnsupportedKubernetesVersion', 'there is no cluster'],
  ['IST0143', 'LocalhostListener', 'needs the sockets of running Pods'],
  ['IST0156', 'UnsupportedGatewayAPIVersion', 'Heddle does not read the Gateway API yet'],
  ['IST0167', 'IneffectivePolicy', 'is about ambient mode, which Heddle does not have'],
  ['IST0168', 'UnknownUpgradeCompatibility', 'is about upgrades of an Istio'],
  ['IST0169', 'UpdateIncompatibility', 'is about upgrades of an Istio'],
  ['IST0170', 'MultiClusterInconsistentService', 'is about several clusters, of which Heddle has one'],
  ['IST0172', 'FutureUnsupportedGatewayAPIVersion', 'Heddle does not read the Gateway API yet'],
];

const levels = { error: 'Error', warning: 'Warning', info: 'Info' } as const;

export function analysisPage(): string {
  const codes = Object.keys(analysisCodes) as Code[];
  return [
    '# Codes of analysis',
    '',
    "What `heddle analyze` finds ([how to use it](../analysis.md)), by Istio's codes, with its names, levels and meaning, and by",
    "Heddle's own, `HED`. While a mesh runs, the findings that `heddle up` and `heddle validate` show have the same codes and are",
    'never errors: they keep nothing from taking effect.',
    '',
    ...codes.flatMap(section),
    '## Not given',
    '',
    '| code | name | why |',
    '|---|---|---|',
    ...absent.map(([code, name, why]) => `| ${code} | ${name} | ${why} |`),
    '',
  ].join('\n');
}

function section(code: Code): string[] {
  const { name, level, about } = analysisCodes[code];
  const by = istioAnalyzers.filter(({ codes }) => codes.includes(code)).map((one) => `\`${one.name}\``);
  const found = by.length === 0 ? '' : ` Found by ${by.join(', ')}.`;
  return [`## ${code}`, '', `**${name}** (${levels[level]}). ${about}${found}`, ''];
}
