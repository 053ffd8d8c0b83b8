/** `--port [NAME:][HOSTPORT:]PORT` of `heddle run`. */
import { InvalidArgumentError } from 'commander';

/** A port of the application, and where others come to for it. */
export interface PortMapping {
  /** As the port of the service is called; its first part is the protocol, as with Kubernetes. */
  readonly name: string;
  /** Where the application listens. */
  readonly number: number;
  /** Of this host; 0: any that is free. */
  readonly hostPort: number;
}

const MAX_PORT = 65_535;
/** An IANA service name (RFC 6335), as Kubernetes takes them. */
const NAME = /^(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/;
const MAX_NAME_LENGTH = 15;

/** @throws commander's error with what is wrong */
export function portMapping(text: string): PortMapping {
  const parts = text.split(':');
  const first = parts[0]!;
  const isNamed = parts.length > 1 && !/^\d+$/.test(first);
  const [number, hostPort = number, ...more] = parts.slice(isNamed ? 1 : 0).toReversed();
  if (number === undefined || more.length > 0) {
    throw new InvalidArgumentError(
      `[NAME:][HOSTPORT:]PORT is needed, such as http:9080 or http:8080:9080, not "${text}".`,
    );
  }
  if (isNamed && (!NAME.test(first) || first.length > MAX_NAME_LENGTH)) {
    throw new InvalidArgumentError(
      `"${first}" is no name of a port: at most ${MAX_NAME_LENGTH} small letters, digits and "-", such as http or grpc-web.`,
    );
  }
  const port = portNumber(number!, 1);
  return { name: isNamed ? first : `tcp-${port}`, number: port, hostPort: portNumber(hostPort!, 0) };
}

function portNumber(text: string, least: number): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < least || port > MAX_PORT)
    throw new InvalidArgumentError(`a port is a number from ${least} to ${MAX_PORT}, not "${text}".`);
  return port;
}
