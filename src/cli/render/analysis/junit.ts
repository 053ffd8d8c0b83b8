/** Findings as JUnit XML: a suite a file; a finding is a test case, and fails where it counts. */
import type { Finding } from '#model/analyze/report.ts';
import { levelNames, sentence } from './plain.ts';

/**
 * @param files all that were read: one without findings has one case, which passes
 * @param fails whether a finding counts
 */
export function junitXml(
  findings: readonly Finding[],
  files: readonly string[],
  fails: (finding: Finding) => boolean,
): string {
  const byFile = Map.groupBy(findings, ({ at }) => at?.file ?? '');
  const suites = [...new Set([...files, ...byFile.keys()])].map((file) => {
    const own = byFile.get(file) ?? [];
    return { file, own, failures: own.filter(fails).length };
  });
  const total = suites.reduce((sum, { own }) => sum + Math.max(own.length, 1), 0);
  const failures = suites.reduce((sum, suite) => sum + suite.failures, 0);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="heddle analyze" tests="${total}" failures="${failures}" errors="0">`,
    ...suites.flatMap(({ file, own, failures: failed }) => [
      `  <testsuite name="${escaped(file)}" tests="${Math.max(own.length, 1)}" failures="${failed}" errors="0" skipped="0">`,
      ...(own.length === 0
        ? [`    <testcase name="no findings" classname="${escaped(file)}"/>`]
        : own.flatMap((finding) => caseLines(finding, file, fails(finding)))),
      '  </testsuite>',
    ]),
    '</testsuites>',
  ].join('\n');
}

function caseLines(finding: Finding, file: string, failed: boolean): string[] {
  const { code, level, resource, at } = finding;
  const name = escaped([code, resource, finding.path].filter((part) => part !== undefined).join(' '));
  const place = at === undefined ? '' : ` file="${escaped(at.file)}" line="${at.line}"`;
  const where = at === undefined ? '' : `${at.file}:${at.line}:${at.column}: `;
  const text = escaped(`${where}${sentence(finding)}\n${finding.documentation}`);
  const message = escaped(sentence(finding));
  return [
    `    <testcase name="${name}" classname="${escaped(file)}"${place}>`,
    failed
      ? `      <failure type="${levelNames[level]}" message="${message}">${text}</failure>`
      : `      <system-out>${text}</system-out>`,
    '    </testcase>',
  ];
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** What XML 1.0 has no form for is left out. */
function escaped(text: string): string {
  return [...text]
    .filter((char) => char >= ' ' || char === '\n' || char === '\t')
    .map((char) => entities[char] ?? char)
    .join('');
}
