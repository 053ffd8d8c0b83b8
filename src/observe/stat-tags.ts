/**
 * The parts of an Envoy stat name that become Prometheus labels (Envoy's default tag extractors,
 * `source/common/config/well_known_names.cc`), for the part of a name after its scope.
 */

export interface TaggedName {
  /** What is left of the name, such as `upstream_rq_xx` of `upstream_rq_5xx`. */
  readonly base: string;
  readonly tags: Readonly<Record<string, string>>;
}

const workerId = /^worker_(\d+)\.(.*)$/;
const responseCode = /^(.*_rq)_(\d{3})$/;
const responseCodeClass = /^(.*_rq)_(\d)xx$/;

export function extractTags(name: string): TaggedName {
  const worker = workerId.exec(name);
  if (worker !== null) return { base: `worker_${worker[2]}`, tags: { envoy_worker_id: worker[1]! } };
  const code = responseCode.exec(name);
  if (code !== null) return { base: code[1]!, tags: { envoy_response_code: code[2]! } };
  const codeClass = responseCodeClass.exec(name);
  if (codeClass !== null)
    return { base: `${codeClass[1]}_xx`, tags: { envoy_response_code_class: codeClass[2]! } };
  return { base: name, tags: {} };
}
