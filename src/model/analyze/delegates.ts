/** Routes that delegate to nobody, and routes of delegates that are left out, as they contradict what was delegated. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Problem } from '#core/problem.ts';
import { type Delegated, resolveDelegates, type Undelegated } from '../delegate.ts';
import { keyOf } from '../kinds.ts';
import { isDelegate, type VirtualService } from '../virtual-service.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeDelegates({ virtualServices }: Surroundings): readonly Problem[] {
  const { undelegated }: Delegated = resolveDelegates(virtualServices, () => true);
  return [
    ...undelegated.map((one) => undelegatedFinding(one, virtualServices)),
    ...idleFindings(virtualServices),
  ];
}

function undelegatedFinding(
  { root, http, delegate, why, route = 0 }: Undelegated,
  all: readonly VirtualService[],
): Problem {
  const path = ['spec', 'http', http, 'delegate'];
  if (delegate === undefined) {
    const { name = '', namespace = root.metadata.namespace } = root.spec.http[http]?.delegate ?? {};
    const others = all.filter((one) => isDelegate(one) && one.metadata.namespace === namespace);
    const message = `there is no VirtualService without hosts named "${name}" in "${namespace}": the route is left out`;
    const names = others.map(({ metadata }) => metadata.name);
    return finding('IST0101', 'warning', root, path, message, didYouMean(name, names));
  }
  const message =
    `takes more than http[${http}] of ${keyOf(root)} delegates, or one cannot tell (${why}): ` +
    'the route is left out there';
  return finding(
    'HED0015',
    'warning',
    delegate,
    ['spec', 'http', route, 'match'],
    message,
    `narrow what ${why} asks for`,
  );
}

/** Delegates that nobody delegates to. */
function idleFindings(all: readonly VirtualService[]): Problem[] {
  const asked = new Set(
    all.flatMap(({ metadata, spec }) =>
      spec.http.flatMap(({ delegate }) =>
        delegate === undefined ? [] : [`${delegate.namespace ?? metadata.namespace}/${delegate.name}`],
      ),
    ),
  );
  return all
    .filter((one) => isDelegate(one) && !asked.has(`${one.metadata.namespace}/${one.metadata.name}`))
    .map((one) =>
      finding(
        'HED0016',
        'info',
        one,
        ['spec'],
        'has no hosts, and nobody delegates to it',
        'write hosts, or delegate to it',
      ),
    );
}
