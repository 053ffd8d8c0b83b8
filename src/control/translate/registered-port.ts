/** Which port of a Service an instance means by one of its own. */
import type { ServicePort } from '#model/service.ts';
import type { RegisteredPort } from './node-registration.ts';

/** By name, else by number, each the service's own or that of its instances. One that is alone needs no name. */
export function servicePortOf(
  { name, number }: RegisteredPort,
  known: readonly ServicePort[],
): ServicePort | undefined {
  const [only] = known;
  return (
    known.find((one) => one.name === name) ??
    known.find((one) => one.targetPort === name) ??
    known.find((one) => one.targetPort === number) ??
    known.find((one) => one.port === number) ??
    (known.length === 1 && only?.name === undefined ? only : undefined)
  );
}
