import { type Prefix, tryParsePrefix } from '../../../ipaddr/prefix.ts';
import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, fail } from '../../corefile/values.ts';

/** `loadbalance [round_robin] [{ prefer CIDR... }]` */
export interface LoadbalanceConfig {
  readonly prefer: readonly Prefix[];
}

export function parseLoadbalance([directive]: readonly Directive[]): LoadbalanceConfig {
  const prefer: Prefix[] = [];
  if (directive === undefined) return { prefer };
  const [policy] = expectArgs(directive, 0, 2);
  if (policy !== undefined && policy.text !== 'round_robin') {
    fail(
      policy,
      `loadbalance: expected round_robin, got "${policy.text}": weights are not supported`,
    );
  }
  for (const line of directive.body ?? []) {
    if (line.name.text !== 'prefer') {
      fail(line.name, `loadbalance: expected prefer, got "${line.name.text}"`);
    }
    for (const word of line.args) {
      prefer.push(tryParsePrefix(word.text) ?? fail(word, `expected a prefix, got "${word.text}"`));
    }
  }
  return { prefer };
}
