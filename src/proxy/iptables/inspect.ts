import { parseChains, type SavedChains } from '../../iptables/chains.ts';
import { detectFlavour } from '../../iptables/detect.ts';
import { saveTable } from '../../iptables/run.ts';
import { check, type LiveCheck } from '../live-check.ts';
import type { ServiceRoute } from '../model/route.ts';
import { rulesOf } from './changes.ts';
import { isPortChain } from './names.ts';
import { JUMPS, type NodeSettings, nodeChains, nodePortJumps } from './node-rules.ts';
import { type PortRules, portRules } from './port-rules.ts';

/**
 * Compares the rules of one port of a Service, and those that no Service has, with what the kernel has in
 * the thread's namespace. `routes` are all of the port in the family; none for a packet that no Service
 * has. Throws IptablesError.
 */
export function inspectRules(
  family: 4 | 6,
  routes: readonly ServiceRoute[],
  settings: NodeSettings,
): LiveCheck[] {
  const actual = parseChains(saveTable({ family, flavour: detectFlavour() }));
  return [...checkNode(family, actual, settings), ...checkPort(actual, routes, settings)];
}

/** What differs of the rules that no Service has; they are many, and most of the time as they shall be. */
function checkNode(family: 4 | 6, actual: SavedChains, settings: NodeSettings): LiveCheck[] {
  const checks: LiveCheck[] = [];
  for (const [name, rules] of nodeChains(family, settings)) {
    checks.push(...checkRules(name, rules, rulesOf(actual, name) ?? []));
  }
  for (const { table, from, rule } of JUMPS) {
    const name = `${table} ${from}`;
    const found = rulesOf(actual, name)?.includes(rule) === true ? rule : undefined;
    checks.push(...check(name, 'jump', rule, found));
  }
  const last = 'nat KUBE-SERVICES';
  for (const rule of nodePortJumps(family, settings.node)) {
    const found = rulesOf(actual, last)?.includes(rule) === true ? rule : undefined;
    checks.push(...check(last, 'last', rule, found));
  }
  return checks.filter(({ state }) => state !== 'same');
}

function checkPort(
  actual: SavedChains,
  routes: readonly ServiceRoute[],
  { node: { detector, masqueradeAll } }: NodeSettings,
): LiveCheck[] {
  if (routes.length === 0) return [];
  const plan = (hasComments: boolean) =>
    portRules(routes, { detector, masqueradeAll, hasComments });
  const checks = (rules: PortRules): LiveCheck[] => [
    ...[...rules.shared].flatMap(([name, wanted]) =>
      wanted.flatMap((rule) => {
        const found = rulesOf(actual, name)?.includes(rule) === true ? rule : undefined;
        return check(name, 'rule', rule, found);
      }),
    ),
    ...[...rules.chains].flatMap(([chain, wanted]) =>
      checkRules(`nat ${chain}`, wanted, rulesOf(actual, `nat ${chain}`) ?? []),
    ),
    ...strangers(actual, rules),
  ];
  // On nodes with very many endpoints rules have none, as they were written.
  const [commented, bare] = [checks(plan(true)), checks(plan(false))];
  const differing = (all: readonly LiveCheck[]) =>
    all.filter(({ state }) => state !== 'same').length;
  return differing(bare) < differing(commented) ? bare : commented;
}

/** Rules of shared chains that lead to chains of the port and shall not be there. */
function strangers(actual: SavedChains, { chains, shared }: PortRules): LiveCheck[] {
  return ['nat KUBE-SERVICES', 'nat KUBE-NODEPORTS'].flatMap((name) => {
    const wanted = [...shared].find(([chain]) => chain === name)?.[1] ?? [];
    return (rulesOf(actual, name) ?? [])
      .filter((rule) => !wanted.includes(rule) && leadsTo(rule, chains))
      .flatMap((rule) => check(name, 'rule', undefined, rule));
  });
}

function leadsTo(rule: string, chains: PortRules['chains']): boolean {
  const target = rule.slice(rule.lastIndexOf(' ') + 1);
  return isPortChain(target) && chains.has(target);
}

/** Rules in order, one by one. */
function checkRules(
  name: string,
  wanted: readonly string[],
  actual: readonly string[],
): LiveCheck[] {
  const length = Math.max(wanted.length, actual.length);
  return Array.from({ length }, (_, at) =>
    check(name, `rule ${at + 1}`, wanted[at], actual[at]),
  ).flat();
}
