/** Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines. */
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HEDDLE_VERSION } from '#core/version.ts';
import { analysisCodes, type Code } from '#model/analyze/codes.ts';
import type { Finding } from '#model/analyze/report.ts';
import { sentence } from './plain.ts';

const levels = { error: 'error', warning: 'warning', info: 'note' } as const;

/** A SARIF log, as JSON takes it. */
export function sarifLog(findings: readonly Finding[]): object {
  const used = [...new Set(findings.map(({ code }) => code))].sort();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'heddle', version: HEDDLE_VERSION, rules: used.map(rule) } },
        columnKind: 'utf16CodeUnits',
        results: findings.map((finding) => result(finding, used)),
      },
    ],
  };
}

function rule(code: Code): object {
  const { name, level, about } = analysisCodes[code];
  return {
    id: code,
    name,
    shortDescription: { text: about.replaceAll('`', '') },
    defaultConfiguration: { level: levels[level] },
    ...(code.startsWith('IST') && {
      helpUri: `https://istio.io/latest/docs/reference/config/analysis/${code.toLowerCase()}/`,
    }),
  };
}

function result(finding: Finding, used: readonly Code[]): object {
  const { code, level, at, resource } = finding;
  const named = resource !== undefined && {
    logicalLocations: [{ fullyQualifiedName: resource, kind: 'resource' }],
  };
  const placed = at !== undefined && {
    physicalLocation: {
      artifactLocation: { uri: uriOf(at.file) },
      region: { startLine: at.line, startColumn: at.column },
    },
  };
  return {
    ruleId: code,
    ruleIndex: used.indexOf(code),
    level: levels[level],
    message: { text: sentence(finding) },
    ...((placed !== false || named !== false) && { locations: [{ ...placed, ...named }] }),
  };
}

/** Relative where the file was named so: as the code host has it. */
function uriOf(file: string): string {
  if (isAbsolute(file)) return pathToFileURL(file).href;
  return file.split('/').map(encodeURIComponent).join('/');
}
