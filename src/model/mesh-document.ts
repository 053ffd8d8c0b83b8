/** The ConfigMap in which Istio keeps its MeshConfig: a document of YAML as the text of one key. */
import type { Position, Problem } from '#core/problem.ts';
import { parseYaml, type YamlDocument } from '#core/yaml.ts';
import type { ConfigMap } from './config-map.ts';
import { type Path, Report } from './decode/decoder.ts';
import type { Resource } from './kinds.ts';
import { type MeshConfig, meshConfig } from './mesh-config.ts';
import type { ResourceBase } from './metadata.ts';

/** Istio's, where it is installed as it comes. */
export const istioNamespace = 'istio-system';
export const istioName = 'istio';
const meshKey = 'mesh';
/** What Istio writes where nobody says anything. */
const noNetworks = 'networks: {}';

type Named = Pick<ResourceBase<string, unknown>, 'kind' | 'metadata'>;

export function isMeshDocument({ kind, metadata }: Named): boolean {
  return kind === 'ConfigMap' && metadata.name === istioName && metadata.namespace === istioNamespace;
}

/** What is wrong with what it says; nothing for other ConfigMaps. */
export function checkMeshDocument(document: ConfigMap, report: Report): void {
  if (!isMeshDocument(document)) return;
  const { [meshKey]: mesh, meshNetworks = noNetworks } = document.data;
  if (meshNetworks.trim() !== noNetworks) report.unsupported(['data', 'meshNetworks'], 'adds');
  if (mesh !== undefined) read(document, report);
}

const decoded = new WeakMap<ConfigMap, MeshConfig>();

/** Of the mesh that these resources describe; of an empty one where no ConfigMap says anything. */
export function meshConfigOf(resources: readonly Resource[]): MeshConfig {
  const document = resources.find((one): one is ConfigMap => isMeshDocument(one));
  if (document === undefined) return {};
  const known = decoded.get(document);
  if (known !== undefined) return known;
  // It was checked when it was loaded: nobody is told again.
  const made = read(
    document,
    new Report({ resource: '', positionOf: () => undefined, allowUnsupported: true }),
  );
  decoded.set(document, made);
  return made;
}

function read(document: ConfigMap, report: Report): MeshConfig {
  const text = document.data[meshKey] ?? '';
  const { documents, problems } = parseYaml(text, document.origin.file);
  for (const problem of problems) tellParsed(problem, report);
  const [first] = documents;
  if (first === undefined || problems.length > 0) return {};
  const path = ['data', meshKey];
  report.placeWithin(path, positionsIn(first, document, text));
  return meshConfig(first.value, path, report) ?? {};
}

function tellParsed({ level, message, at, fix }: Problem, report: Report): void {
  const where = at === undefined ? '' : ` (line ${at.line} of the text)`;
  const path = ['data', meshKey];
  if (level === 'error') report.error(path, `${message}${where}`, fix);
  else report.warning(path, `${message}${where}`, fix);
}

/** A text of several lines begins in the line behind its key, and further in than it. */
function positionsIn(
  inner: YamlDocument,
  { origin }: ConfigMap,
  text: string,
): (path: Path) => Position | undefined {
  const key = origin.positionOf(['data', meshKey]);
  return (path) => {
    const at = inner.positionOf(path);
    if (key === undefined || at === undefined || !text.includes('\n') || origin.file.endsWith('.json'))
      return key;
    return { file: key.file, line: key.line + at.line, column: key.column + 1 + at.column };
  };
}
