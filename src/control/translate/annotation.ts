/** What the runner tells about an instance in the annotations of its pod. */
import type { Problem } from '#core/problem.ts';
import { keyOf } from '#model/kinds.ts';
import type { Pod } from '#model/pod.ts';

/** Where the application listens, as opposed to the pod's address. */
const applicationAddressKey = 'heddle.dev/application-address';
/** `{"db.default.svc.cluster.local:5432": 21001}`: local ports on which the sidecar takes TCP for a service. */
const servicePortsKey = 'heddle.dev/service-ports';
/** `{"8080": "127.0.0.1:8080"}`: where a gateway binds the ports of its Gateways. */
const gatewayBindKey = 'heddle.dev/gateway-bind';

/** Absent annotation: the pod's own address. */
export function applicationAddress(pod: Pod): string | undefined {
  return pod.metadata.annotations[applicationAddressKey] ?? pod.status.podIP;
}

export interface ServiceListener {
  readonly host: string;
  readonly servicePort: number;
  readonly localPort: number;
}

export function serviceListeners(pod: Pod, problems: Problem[]): readonly ServiceListener[] {
  return Object.entries(readObject(pod, servicePortsKey, problems)).flatMap(([key, localPort]) => {
    const colon = key.lastIndexOf(':');
    const servicePort = Number(key.slice(colon + 1));
    if (colon > 0 && isPort(servicePort) && isPort(localPort)) {
      return [{ host: key.slice(0, colon), servicePort, localPort }];
    }
    problems.push(wrong(pod, servicePortsKey, `${JSON.stringify(key)} is not HOST:PORT with a local port`));
    return [];
  });
}

export interface BindAddress {
  readonly address: string;
  readonly port: number;
}

/** By port of the Gateway. */
export function gatewayBinds(pod: Pod, problems: Problem[]): ReadonlyMap<number, BindAddress> {
  const binds = new Map<number, BindAddress>();
  for (const [key, value] of Object.entries(readObject(pod, gatewayBindKey, problems))) {
    const written = String(value);
    const colon = written.lastIndexOf(':');
    const port = Number(written.slice(colon + 1));
    if (isPort(Number(key)) && colon > 0 && isPort(port)) {
      binds.set(Number(key), { address: written.slice(0, colon), port });
    } else {
      problems.push(wrong(pod, gatewayBindKey, `${JSON.stringify(key)} is not a port with its ADDRESS:PORT`));
    }
  }
  return binds;
}

function readObject(pod: Pod, key: string, problems: Problem[]): Readonly<Record<string, unknown>> {
  const text = pod.metadata.annotations[key];
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Reported below, like any other value that is no object.
  }
  problems.push(wrong(pod, key, 'is not a JSON object'));
  return {};
}

function wrong(pod: Pod, key: string, message: string): Problem {
  return {
    level: 'error',
    message,
    path: `metadata.annotations[${JSON.stringify(key)}]`,
    resource: keyOf(pod),
  };
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}
