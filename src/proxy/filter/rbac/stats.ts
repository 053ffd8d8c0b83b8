/** What is counted of decisions, of all and by policy (Envoy, "RBAC", statistics). */
import type { Counter, MetricRegistry, Scope, ScopeName } from '#observe/metrics-contract.ts';

export class RbacStats {
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
  readonly #scope: Scope;
  readonly #prefix: string;
  readonly #shadowPrefix: string;
  readonly #policies = new Map<string, Counter>();

  /** @param prefix of the names of what is enforced, and of what is not */
  constructor(metrics: MetricRegistry, name: ScopeName, prefix: string, shadowPrefix: string) {
    const scope = metrics.scope(name);
    this.#scope = scope;
    this.#prefix = joined(prefix);
    this.#shadowPrefix = joined(shadowPrefix);
    this.allowed = scope.counter(`${this.#prefix}allowed`);
    this.denied = scope.counter(`${this.#prefix}denied`);
    this.shadowAllowed = scope.counter(`${this.#shadowPrefix}shadow_allowed`);
    this.shadowDenied = scope.counter(`${this.#shadowPrefix}shadow_denied`);
  }

  /** A decision of rules that are enforced, or not. */
  count(allowed: boolean, isShadow: boolean): void {
    if (isShadow) (allowed ? this.shadowAllowed : this.shadowDenied).inc();
    else (allowed ? this.allowed : this.denied).inc();
  }

  /** The same, by the policy that made it. */
  countPolicy(policy: string, allowed: boolean, isShadow: boolean): void {
    const what = `${isShadow ? 'shadow_' : ''}${allowed ? 'allowed' : 'denied'}`;
    const name = `${isShadow ? this.#shadowPrefix : this.#prefix}policy.${policy}.${what}`;
    let counter = this.#policies.get(name);
    if (counter === undefined) {
      counter = this.#scope.counter(name);
      this.#policies.set(name, counter);
    }
    counter.inc();
  }
}

/** With its full stop; '' for none. */
export function joined(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}
